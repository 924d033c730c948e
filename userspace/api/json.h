// Reading requests' JSON strictly: what is missing, of the wrong type or not known is refused by
// its name. An ObjectReader keeps the first fault and ignores what follows it, so that callers read
// every key and ask finish() once.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::api {

using Json = nlohmann::ordered_json; // keys stay in the documents' order

// One JSON object; anything else, an empty text and a key given twice are kInvalid.
Result<Json> parse_object(std::string_view text);
// Bytes that are not UTF-8 (a path may hold any) become U+FFFD.
std::string to_text(const Json& value);
// Null for an empty text.
Json text_or_null(const std::string& text);

class ObjectReader {
public:
    explicit ObjectReader(const Json& object) : object_(object) {}

    // An absent key leaves `out` as it is.
    void read(const char* key, bool& out);
    void read(const char* key, uint16_t& out);
    void read(const char* key, uint32_t& out);
    void read(const char* key, uint64_t& out);
    void read(const char* key, std::string& out);
    void read(const char* key, IpAddress& out);
    void read(const char* key, MacAddress& out);
    void read(const char* key, control::Mode& out);
    void read(const char* key, control::Nat& out);
    void read(const char* key, std::vector<std::string>& out);
    void read(const char* key, std::vector<IpAddress>& out);
    void read(const char* key, std::vector<IpPrefix>& out);

    template <typename T> void read_required(const char* key, T& out) {
        if (!has(key)) fail(std::string(key) + " is missing");
        read(key, out);
    }

    // Set when the key is there.
    template <typename T> void read_optional(const char* key, std::optional<T>& out) {
        if (!has(key)) return;
        T value{};
        read(key, value);
        out = std::move(value);
    }

    // The same, and null means none.
    template <typename T> void read_nullable(const char* key, std::optional<T>& out) {
        if (is_null(key))
            out.reset();
        else
            read_optional(key, out);
    }

    bool has(const char* key);
    bool is_null(const char* key);
    bool is_text(const char* key, std::string_view text);

    // The first fault, or the first key that nobody asked for.
    Status finish();

private:
    const Json* find(const char* key);
    void fail(std::string message);
    void read_number(const char* key, uint64_t limit, uint64_t& out);
    // The string below `key`, or nothing after fail().
    std::optional<std::string> find_text(const char* key);
    std::optional<std::vector<std::string>> find_texts(const char* key);
    template <typename T, typename Parse> void read_parsed(const char* key, T& out, Parse parse);
    template <typename T> void read_parsed_list(const char* key, std::vector<T>& out);

    const Json& object_;
    std::set<std::string> known_;
    std::optional<Error> fault_;
};

} // namespace cnet::api
