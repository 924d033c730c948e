#include "userspace/api/http.h"

#include <nlohmann/json.hpp>

#include "userspace/api/json.h"

namespace cnet::api {
namespace {

struct KindWords {
    std::string_view word;
    int status;
};

KindWords words_of(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::kInvalid:
        return {"invalid", 400};
    case ErrorKind::kDenied:
        return {"denied", 403};
    case ErrorKind::kNotFound:
        return {"not_found", 404};
    case ErrorKind::kConflict:
        return {"conflict", 409};
    case ErrorKind::kExhausted:
        return {"exhausted", 507};
    case ErrorKind::kUnavailable:
        return {"unavailable", 503};
    case ErrorKind::kUnknown:
        return {"unknown", 504};
    case ErrorKind::kSystem:
        break;
    }
    return {"system", 500};
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace

Response error_response(const Error& error) {
    KindWords words = words_of(error.kind());
    return error_response(words.status, words.word, error.message());
}

Response error_response(int status, std::string_view kind, std::string_view message) {
    Json error;
    error["kind"] = kind;
    error["message"] = message;
    Json body;
    body["error"] = std::move(error);
    return {status, to_text(body), {}};
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\0') return {};
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return {};
        int high = hex_digit(text[i + 1]);
        int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return {};
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

} // namespace cnet::api
