// Typed reading of what Docker sends, and the answer that says nothing. Keys that nobody asks for
// are not looked at, since each version of Docker adds some. The first value of a wrong type is
// kept, for whoever asks fault().
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"

namespace cnet::docker {

using Json = nlohmann::json;

class Reader {
public:
    // `object` outlives the reader, and those inside it; null is an empty one.
    explicit Reader(const Json& object);

    // The inner object, empty when there is none.
    Reader inside(const char* key) const;
    std::vector<Reader> each(const char* key) const;

    // What is absent, or null, is empty: Docker makes no difference either.
    std::string text(const char* key) const;
    bool flag(const char* key) const;
    uint32_t number(const char* key) const;
    // An address, a prefix or a MAC; none when it is empty.
    template <typename T> std::optional<T> parsed(const char* key) const {
        const std::string found = text(key);
        if (found.empty()) return std::nullopt;
        auto value = T::parse(found);
        if (value) return *value;
        fail(where_ + key + ": " + value.error().message());
        return std::nullopt;
    }

    // What the object holds, for keys that users choose.
    const Json& object() const { return *object_; }
    // Of this reader and of all that came from it.
    Status fault() const;

private:
    Reader(const Json& object, std::string where, std::shared_ptr<std::optional<Error>> fault);
    const Json& value(const char* key) const;
    void fail(const std::string& message) const;

    const Json* object_;
    std::string where_;
    std::shared_ptr<std::optional<Error>> fault_;
};

// To a call that only does something: an empty object, or why it was not done.
Result<Json> empty_answer(const Status& status);

} // namespace cnet::docker
