// Typed reading of JSON that others wrote. Keys that nobody asks for are not looked at: a network
// configuration is shared with other plugins. The first wrong type is kept, and ends in a Fault.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "userspace/plugin/json.h"
#include "userspace/plugin/outcome.h"

namespace cnet::plugin {

Outcome<Json> parse_object(const std::string& text);

class Reader {
public:
    // `where` is the path of `object` in the document, "" or "ipam.". An object that is no object
    // is read as an empty one.
    Reader(const Json& object, std::string where, std::optional<Fault>& fault);

    // The inner object, empty when there is none.
    Reader inside(const char* key) const;
    // One reader an element; none when there is no list.
    std::vector<Reader> each(const char* key) const;

    bool has(const char* key) const; // null is as good as absent
    const Json& value(const char* key) const;
    std::string text(const char* key) const;
    std::optional<bool> flag(const char* key) const;
    std::optional<int64_t> number(const char* key) const;
    std::vector<std::string> texts(const char* key) const;
    std::string path(const char* key) const { return where_ + key; }

private:
    void expected(const char* key, const char* what) const;

    const Json* object_;
    std::string where_;
    std::optional<Fault>* fault_;
};

} // namespace cnet::plugin
