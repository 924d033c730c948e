// Network namespaces by path and by name, as an interface: cnetd wires it to the kernel, tests to a
// fake.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace cnet::control {

class Namespaces {
public:
    virtual ~Namespaces() = default;

    // Where sandbox `name` has its file.
    virtual std::string path_of(const std::string& name) const = 0;
    // A new namespace at path_of(name), lo up. kConflict when the file exists.
    virtual Status create(const std::string& name) = 0;
    // Unmounts and removes the file; absent is success.
    virtual Status remove(const std::string& name) = 0;
    // Whether `path` is the file of a live network namespace.
    virtual bool alive(const std::string& path) const = 0;
    // Whether it is the one that this host's networks are in.
    virtual bool is_own(const std::string& path) const = 0;
};

} // namespace cnet::control
