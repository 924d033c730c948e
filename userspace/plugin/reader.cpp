#include "userspace/plugin/reader.h"

namespace cnet::plugin {
namespace {

const Json& nothing() {
    static const Json null;
    return null;
}

} // namespace

Outcome<Json> parse_object(const std::string& text) {
    Json document = Json::parse(text, nullptr, false);
    if (document.is_discarded()) return Fault{Code::kDecode, "the configuration is not JSON"};
    if (!document.is_object())
        return Fault{Code::kDecode, "the configuration is not a JSON object"};
    return document;
}

Reader::Reader(const Json& object, std::string where, std::optional<Fault>& fault)
    : object_(&object), where_(std::move(where)), fault_(&fault) {}

Reader Reader::inside(const char* key) const {
    const Json& found = value(key);
    if (!found.is_null() && !found.is_object()) expected(key, "an object");
    return {found, where_ + key + ".", *fault_};
}

std::vector<Reader> Reader::each(const char* key) const {
    std::vector<Reader> readers;
    const Json& list = value(key);
    if (!list.is_null() && !list.is_array()) expected(key, "a list of objects");
    if (!list.is_array()) return readers;
    for (const Json& element : list) {
        if (!element.is_object()) expected(key, "a list of objects");
        readers.emplace_back(element, where_ + key + ".", *fault_);
    }
    return readers;
}

bool Reader::has(const char* key) const {
    return !value(key).is_null();
}

const Json& Reader::value(const char* key) const {
    if (!object_->is_object()) return nothing();
    auto found = object_->find(key);
    return found == object_->end() ? nothing() : *found;
}

std::string Reader::text(const char* key) const {
    const Json& found = value(key);
    if (found.is_string()) return found.get<std::string>();
    if (!found.is_null()) expected(key, "a string");
    return {};
}

std::optional<bool> Reader::flag(const char* key) const {
    const Json& found = value(key);
    if (found.is_boolean()) return found.get<bool>();
    if (!found.is_null()) expected(key, "true or false");
    return {};
}

std::optional<int64_t> Reader::number(const char* key) const {
    const Json& found = value(key);
    if (found.is_number_integer()) return found.get<int64_t>();
    if (!found.is_null()) expected(key, "a whole number");
    return {};
}

std::vector<std::string> Reader::texts(const char* key) const {
    std::vector<std::string> texts;
    const Json& list = value(key);
    if (!list.is_null() && !list.is_array()) expected(key, "a list of strings");
    if (!list.is_array()) return texts;
    for (const Json& element : list) {
        if (element.is_string()) {
            texts.push_back(element.get<std::string>());
        } else {
            expected(key, "a list of strings");
        }
    }
    return texts;
}

void Reader::expected(const char* key, const char* what) const {
    if (!*fault_) *fault_ = Fault{Code::kDecode, path(key) + " must be " + what};
}

} // namespace cnet::plugin
