#include "userspace/api/json.h"

#include <limits>
#include <nlohmann/json.hpp>

namespace cnet::api {
namespace {

std::string in_quotes(const std::string& text) {
    return '"' + text + '"';
}

} // namespace

Result<Json> parse_object(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return Error(ErrorKind::kInvalid, "the request needs a JSON object as its body");
    // The parser takes one for the end, and passes over what comes behind it.
    if (text.find('\0') != std::string_view::npos)
        return Error(ErrorKind::kInvalid, "the request's body has a NUL in it");
    std::set<std::string> keys;
    std::optional<std::string> repeated;
    auto note_key = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (event != Json::parse_event_t::key || depth != 1) return true;
        const auto& key = parsed.get_ref<const std::string&>();
        if (!keys.insert(key).second) repeated = key;
        return true;
    };
    Json value;
    try {
        value = Json::parse(text, note_key);
    } catch (const Json::parse_error& error) {
        return Error(ErrorKind::kInvalid, "the request's body is not valid JSON (near byte " +
                                              std::to_string(error.byte) + ")");
    } catch (const Json::exception&) { // a number beyond every type
        return Error(ErrorKind::kInvalid, "the request's body is not valid JSON");
    }
    if (!value.is_object())
        return Error(ErrorKind::kInvalid, "the request's body must be a JSON object");
    if (repeated)
        return Error(ErrorKind::kInvalid, "key " + in_quotes(*repeated) + " is given twice");
    return value;
}

std::string to_text(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

const Json* ObjectReader::find(const char* key) {
    known_.insert(key);
    auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
}

bool ObjectReader::has(const char* key) {
    return find(key) != nullptr;
}

bool ObjectReader::is_null(const char* key) {
    const Json* value = find(key);
    return value && value->is_null();
}

bool ObjectReader::is_text(const char* key, std::string_view text) {
    const Json* value = find(key);
    return value && value->is_string() && value->get_ref<const std::string&>() == text;
}

void ObjectReader::fail(std::string message) {
    if (!fault_) fault_.emplace(ErrorKind::kInvalid, std::move(message));
}

void ObjectReader::read(const char* key, bool& out) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_boolean()) return fail(std::string(key) + " must be true or false");
    out = value->get<bool>();
}

void ObjectReader::read_number(const char* key, uint64_t limit, uint64_t& out) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_number()) return fail(std::string(key) + " must be a number");
    if (!value->is_number_unsigned() || value->get<uint64_t>() > limit)
        return fail(std::string(key) + " must be a whole number from 0 to " +
                    std::to_string(limit));
    out = value->get<uint64_t>();
}

void ObjectReader::read(const char* key, uint16_t& out) {
    uint64_t value = out;
    read_number(key, std::numeric_limits<uint16_t>::max(), value);
    out = static_cast<uint16_t>(value);
}

void ObjectReader::read(const char* key, uint32_t& out) {
    uint64_t value = out;
    read_number(key, std::numeric_limits<uint32_t>::max(), value);
    out = static_cast<uint32_t>(value);
}

void ObjectReader::read(const char* key, uint64_t& out) {
    read_number(key, std::numeric_limits<int64_t>::max(), out);
}

std::optional<std::string> ObjectReader::find_text(const char* key) {
    const Json* value = find(key);
    if (!value) return {};
    if (!value->is_string()) {
        fail(std::string(key) + " must be a string");
        return {};
    }
    auto text = value->get<std::string>();
    if (text.find('\0') != std::string::npos) {
        fail(std::string(key) + " contains a NUL character");
        return {};
    }
    return text;
}

std::optional<std::vector<std::string>> ObjectReader::find_texts(const char* key) {
    const Json* value = find(key);
    if (!value) return {};
    std::vector<std::string> texts;
    bool strings = value->is_array();
    if (strings) {
        for (const Json& item : *value) {
            strings = strings && item.is_string();
            if (strings) texts.push_back(item.get<std::string>());
        }
    }
    if (!strings) {
        fail(std::string(key) + " must be a list of strings");
        return {};
    }
    return texts;
}

template <typename T, typename Parse>
void ObjectReader::read_parsed(const char* key, T& out, Parse parse) {
    auto text = find_text(key);
    if (!text) return;
    auto parsed = parse(*text);
    if (parsed)
        out = *parsed;
    else
        fail(parsed.error().because(key).message());
}

template <typename T> void ObjectReader::read_parsed_list(const char* key, std::vector<T>& out) {
    auto texts = find_texts(key);
    if (!texts) return;
    std::vector<T> values;
    for (const std::string& text : *texts) {
        auto parsed = T::parse(text);
        if (!parsed) return fail(parsed.error().because(key).message());
        values.push_back(*parsed);
    }
    out = std::move(values);
}

void ObjectReader::read(const char* key, std::string& out) {
    if (auto text = find_text(key)) out = std::move(*text);
}

void ObjectReader::read(const char* key, IpAddress& out) {
    read_parsed(key, out, IpAddress::parse);
}
void ObjectReader::read(const char* key, MacAddress& out) {
    read_parsed(key, out, MacAddress::parse);
}
void ObjectReader::read(const char* key, control::Mode& out) {
    read_parsed(key, out, control::parse_mode);
}
void ObjectReader::read(const char* key, control::Nat& out) {
    read_parsed(key, out, control::parse_nat);
}
void ObjectReader::read(const char* key, std::vector<std::string>& out) {
    if (auto texts = find_texts(key)) out = std::move(*texts);
}
void ObjectReader::read(const char* key, std::vector<IpAddress>& out) {
    read_parsed_list(key, out);
}
void ObjectReader::read(const char* key, std::vector<IpPrefix>& out) {
    read_parsed_list(key, out);
}

Status ObjectReader::finish() {
    if (!fault_) {
        for (const auto& item : object_.items()) {
            if (known_.count(item.key()) != 0) continue;
            fail("unknown key " + in_quotes(item.key()));
            break;
        }
    }
    if (fault_) return *fault_;
    return {};
}

} // namespace cnet::api
