#include "userspace/names/message.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace cnet::names {
namespace {

constexpr size_t kNameMax = 255;
constexpr size_t kLabelMax = 63;
constexpr uint32_t kTtlSeconds = 5; // endpoints come and go
constexpr size_t kFlagsAt = 2;
constexpr uint8_t kResponse = 0x80, kOpcode = 0x78, kAuthoritative = 0x04, kCut = 0x02,
                  kWish = 0x01;
constexpr uint8_t kRecursion = 0x80;
constexpr uint8_t kPointer = 0xc0;

// Reads forwards; what would be past the end is 0 and leaves ok() false.
class Cursor {
public:
    explicit Cursor(std::span<const uint8_t> bytes, size_t at = 0) : bytes_(bytes), at_(at) {}

    uint8_t u8() {
        if (at_ >= bytes_.size()) {
            ok_ = false;
            return 0;
        }
        return bytes_[at_++];
    }
    uint16_t u16() {
        const auto high = u8();
        return static_cast<uint16_t>(high << 8 | u8());
    }
    void skip(size_t count) {
        if (bytes_.size() - at_ < count) ok_ = false;
        at_ = std::min(bytes_.size(), at_ + count);
    }
    size_t at() const { return at_; }
    bool ok() const { return ok_; }

private:
    std::span<const uint8_t> bytes_;
    size_t at_;
    bool ok_ = true;
};

// Of a question: a pointer can lead nowhere but back, so none is expected.
bool read_name(Cursor& in, std::string& name) {
    while (const uint8_t length = in.u8()) {
        if (!in.ok() || length > kLabelMax || name.size() + length + 1 > kNameMax) return false;
        if (!name.empty()) name += '.';
        for (uint8_t i = 0; i < length; i++) {
            const uint8_t byte = in.u8();
            // A dot in a label would read as two labels.
            if (byte == '.') return false;
            name += static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
        }
    }
    return in.ok();
}

// Of a record behind the question.
void skip_name(Cursor& in) {
    while (const uint8_t length = in.u8()) {
        if ((length & kPointer) == kPointer) {
            in.skip(1);
            return;
        }
        in.skip(length);
        if (!in.ok()) return;
    }
}

bool read_additional(Cursor& in, uint16_t count, Query& query) {
    for (; count > 0 && in.ok(); count--) {
        skip_name(in);
        const auto type = static_cast<Type>(in.u16());
        const uint16_t klass = in.u16();
        in.u8(); // extended code
        const uint8_t version = in.u8();
        in.u16();
        in.skip(in.u16());
        if (type != Type::kOpt || !in.ok()) continue;
        if (query.udp_size) return false;
        query.udp_size = klass;
        if (version != 0) query.problem = Rcode::kBadVersion;
    }
    return in.ok();
}

void put16(Bytes& out, uint16_t value) {
    out.push_back(static_cast<uint8_t>(value >> 8));
    out.push_back(static_cast<uint8_t>(value));
}

void set16(Bytes& out, size_t at, uint16_t value) {
    out[at] = static_cast<uint8_t>(value >> 8);
    out[at + 1] = static_cast<uint8_t>(value);
}

Bytes name_bytes(std::string_view name) {
    Bytes out;
    while (!name.empty() && out.size() < kNameMax - kLabelMax - 1) {
        const std::string_view label = name.substr(0, std::min(name.find('.'), kLabelMax));
        name.remove_prefix(std::min(name.size(), label.size() + 1));
        if (label.empty()) continue;
        out.push_back(static_cast<uint8_t>(label.size()));
        out.insert(out.end(), label.begin(), label.end());
    }
    out.push_back(0);
    return out;
}

// Its name is the question's, which stands behind the header.
Bytes record_bytes(Type type, std::span<const uint8_t> data) {
    Bytes out;
    put16(out, static_cast<uint16_t>(kPointer << 8 | kHeaderSize));
    put16(out, static_cast<uint16_t>(type));
    put16(out, kClassInternet);
    put16(out, 0);
    put16(out, kTtlSeconds);
    put16(out, static_cast<uint16_t>(data.size()));
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

std::vector<Bytes> records_of(const Answer& answer) {
    std::vector<Bytes> records;
    for (const IpAddress& address : answer.addresses) {
        const std::span<const uint8_t> all(address.bytes());
        records.push_back(address.is_v4() ? record_bytes(Type::kA, all.last(4))
                                          : record_bytes(Type::kAaaa, all));
    }
    for (const std::string& name : answer.names)
        records.push_back(record_bytes(Type::kPtr, name_bytes(name)));
    return records;
}

Bytes opt_bytes(Rcode rcode) {
    Bytes out = {0};
    put16(out, static_cast<uint16_t>(Type::kOpt));
    put16(out, kUdpSizeMax);
    out.push_back(static_cast<uint8_t>(static_cast<uint16_t>(rcode) >> 4));
    out.insert(out.end(), {0, 0, 0, 0, 0}); // version, flags, length
    return out;
}

std::optional<IpAddress> parse_reverse4(std::string_view text) {
    std::string address;
    while (!text.empty()) {
        const size_t dot = text.rfind('.');
        address += (address.empty() ? "" : ".") +
                   std::string(dot == text.npos ? text : text.substr(dot + 1));
        text = dot == text.npos ? "" : text.substr(0, dot);
    }
    auto parsed = IpAddress::parse(address);
    if (!parsed || !parsed->is_v4()) return std::nullopt;
    return *parsed;
}

std::optional<IpAddress> parse_reverse6(std::string_view text) {
    constexpr size_t kNibbles = 32;
    if (text.size() != 2 * kNibbles - 1) return std::nullopt;
    std::string address;
    for (size_t i = 0; i < kNibbles; i++) {
        const size_t at = text.size() - 1 - 2 * i;
        if (at > 0 && text[at - 1] != '.') return std::nullopt;
        if (i > 0 && i % 4 == 0) address += ':';
        address += text[at];
    }
    auto parsed = IpAddress::parse(address);
    if (!parsed) return std::nullopt;
    return *parsed;
}

} // namespace

size_t Query::udp_limit() const {
    if (!udp_size) return kUdpSize;
    return std::clamp<size_t>(*udp_size, kUdpSize, kUdpSizeMax);
}

std::optional<Query> parse_query(std::span<const uint8_t> packet) {
    if (packet.size() < kHeaderSize || (packet[kFlagsAt] & kResponse)) return std::nullopt;
    Query query;
    query.head.assign(packet.begin(), packet.begin() + kHeaderSize);
    Cursor in(packet, kFlagsAt + 2);
    const uint16_t questions = in.u16();
    const uint16_t others = in.u16() | in.u16();
    const uint16_t additional = in.u16();
    if (packet[kFlagsAt] & kOpcode) {
        query.problem = Rcode::kNotImplemented;
        return query;
    }
    query.problem = Rcode::kFormatError;
    if (questions != 1 || others != 0 || !read_name(in, query.name)) return query;
    query.type = static_cast<Type>(in.u16());
    query.klass = in.u16();
    if (!in.ok()) return query;
    query.head.assign(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(in.at()));
    query.problem = Rcode::kDone;
    if (!read_additional(in, additional, query)) query.problem = Rcode::kFormatError;
    return query;
}

Bytes make_answer(const Query& query, const Answer& answer, size_t limit) {
    const bool has_question = query.head.size() > kHeaderSize;
    Bytes out = query.head;
    out[kFlagsAt] =
        static_cast<uint8_t>(kResponse | kAuthoritative | (out[kFlagsAt] & (kOpcode | kWish)));
    out[kFlagsAt + 1] =
        static_cast<uint8_t>(kRecursion | (static_cast<uint16_t>(answer.rcode) & 0xf));
    const Bytes opt = query.udp_size ? opt_bytes(answer.rcode) : Bytes();
    uint16_t count = 0;
    for (const Bytes& record : records_of(answer)) {
        if (out.size() + record.size() + opt.size() > limit) {
            out[kFlagsAt] |= kCut;
            break;
        }
        out.insert(out.end(), record.begin(), record.end());
        count++;
    }
    out.insert(out.end(), opt.begin(), opt.end());
    set16(out, 4, has_question ? 1 : 0);
    set16(out, 6, count);
    set16(out, 8, 0);
    set16(out, 10, opt.empty() ? 0 : 1);
    return out;
}

Bytes relay_answer(const Query& query, std::span<const uint8_t> answer, size_t limit) {
    if (answer.size() < kHeaderSize)
        return make_answer(query, {Rcode::kServerFailure, {}, {}}, limit);
    if (answer.size() > limit) {
        Bytes cut = make_answer(query, {}, limit);
        cut[kFlagsAt] = static_cast<uint8_t>((cut[kFlagsAt] & ~kAuthoritative) | kCut);
        return cut;
    }
    Bytes out(answer.begin(), answer.end());
    out[0] = query.head[0];
    out[1] = query.head[1];
    return out;
}

std::optional<IpAddress> parse_reverse(std::string_view name) {
    constexpr std::string_view k4 = ".in-addr.arpa", k6 = ".ip6.arpa";
    if (name.ends_with(k4)) return parse_reverse4(name.substr(0, name.size() - k4.size()));
    if (name.ends_with(k6)) return parse_reverse6(name.substr(0, name.size() - k6.size()));
    return std::nullopt;
}

} // namespace cnet::names
