#include "userspace/docker/reader.h"

#include <limits>

namespace cnet::docker {
namespace {

const Json& empty_object() {
    static const Json empty = Json::object();
    return empty;
}

} // namespace

Reader::Reader(const Json& object) : Reader(object, "", std::make_shared<std::optional<Error>>()) {}

Reader::Reader(const Json& object, std::string where, std::shared_ptr<std::optional<Error>> fault)
    : object_(object.is_object() ? &object : &empty_object()), where_(std::move(where)),
      fault_(std::move(fault)) {
    if (!object.is_object() && !object.is_null())
        fail((where_.empty() ? "the request" : where_.substr(0, where_.size() - 1)) +
             " must be an object");
}

Reader Reader::inside(const char* key) const {
    return {value(key), where_ + key + ".", fault_};
}

std::vector<Reader> Reader::each(const char* key) const {
    std::vector<Reader> readers;
    const Json& list = value(key);
    if (!list.is_null() && !list.is_array()) fail(where_ + key + " must be a list");
    if (!list.is_array()) return readers;
    for (const Json& element : list)
        readers.push_back({element, where_ + key + ".", fault_});
    return readers;
}

std::string Reader::text(const char* key) const {
    const Json& found = value(key);
    if (found.is_string()) return found.get<std::string>();
    if (!found.is_null()) fail(where_ + key + " must be a string");
    return {};
}

bool Reader::flag(const char* key) const {
    const Json& found = value(key);
    if (found.is_boolean()) return found.get<bool>();
    if (!found.is_null()) fail(where_ + key + " must be true or false");
    return false;
}

uint32_t Reader::number(const char* key) const {
    const Json& found = value(key);
    if (found.is_number_unsigned() && found.get<uint64_t>() <= std::numeric_limits<uint32_t>::max())
        return found.get<uint32_t>();
    if (!found.is_null()) fail(where_ + key + " must be a whole number, not below 0");
    return 0;
}

Status Reader::fault() const {
    return *fault_ ? Status(**fault_) : Status();
}

const Json& Reader::value(const char* key) const {
    static const Json null;
    auto found = object_->find(key);
    return found == object_->end() ? null : *found;
}

void Reader::fail(const std::string& message) const {
    if (!*fault_) *fault_ = Error(ErrorKind::kInvalid, message);
}

Result<Json> empty_answer(const Status& status) {
    return status ? Result<Json>(Json::object()) : status.error();
}

} // namespace cnet::docker
