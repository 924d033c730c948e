#include "userspace/cnet-bpf/tar.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "userspace/base/result.h"

namespace cnet::cli {
namespace {

constexpr size_t kBlock = 512;

// Octal digits and a NUL, as wide as the field.
template <size_t N> void put_octal(char (&field)[N], unsigned long value) {
    std::snprintf(field, N, "%0*lo", static_cast<int>(N - 1), value);
}

struct Header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char rest[247];
};
static_assert(sizeof(Header) == kBlock);

} // namespace

void Tar::add(std::string_view name, std::string_view content) {
    const std::string path = directory_ + '/' + std::string(name);
    Header header{};
    CNET_CHECK(path.size() < sizeof(header.name));
    path.copy(header.name, path.size());
    put_octal(header.mode, 0600);
    put_octal(header.uid, 0);
    put_octal(header.gid, 0);
    put_octal(header.size, content.size());
    put_octal(header.mtime, static_cast<unsigned long>(now_));
    header.type = '0';
    std::memcpy(header.magic, "ustar", sizeof(header.magic));
    std::memcpy(header.version, "00", sizeof(header.version));
    // The sum counts its own field as blanks.
    std::memset(header.checksum, ' ', sizeof(header.checksum));
    std::array<unsigned char, kBlock> bytes;
    std::memcpy(bytes.data(), &header, kBlock);
    std::snprintf(header.checksum, sizeof(header.checksum), "%06o",
                  std::accumulate(bytes.begin(), bytes.end(), 0u));

    bytes_.append(reinterpret_cast<const char*>(&header), kBlock);
    bytes_ += content;
    bytes_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

std::string Tar::finish() && {
    bytes_.append(2 * kBlock, '\0');
    return std::move(bytes_);
}

} // namespace cnet::cli
