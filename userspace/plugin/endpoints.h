// The endpoints that plugins make. Their names say to whom they belong, so that a plugin needs no
// state of its own: PREFIX + hash of the network's name, container, device, hash of both in full.
// Those whose namespace went without a word are left alone until something of theirs (a name, an
// address, a port) is in the way.
#pragma once

#include <functional>
#include <string>

#include "userspace/plugin/daemon.h"

namespace cnet::plugin {

// What the endpoints of one network of a plugin have in common.
std::string names_of(const std::string& prefix, const std::string& network);
std::string endpoint_name(const std::string& prefix, const std::string& network,
                          const std::string& container_id, const std::string& ifname);

// Whether the namespace of this endpoint (cnetd's object) is gone, and the device with it.
bool is_dead(const Json& endpoint);
// How many there were.
Outcome<size_t> remove_endpoints(Daemon& daemon, const std::function<bool(const Json&)>& condition);
// POST. What dead endpoints with that prefix have in the way of it is taken from them.
Outcome<Answer> create(Daemon& daemon, const std::string& target, const Json& body,
                       const std::string& prefix);
// Of an object that cnetd answered; empty when there is none.
std::string text_at(const Json& object, const char* key);

} // namespace cnet::plugin
