// Runs a fuzz target without libFuzzer: each file of a directory, and the same with bytes changed,
// in an order that is always the same.
//
//   fuzz_NAME CORPUS
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kChangesOfEach = 5000;

void run(const Bytes& bytes) {
    // As long as it is and no longer: a read past the end is one past the allocation.
    const Bytes exact(bytes);
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Bytes change(Bytes bytes, std::mt19937& random) {
    const auto below = [&](size_t limit) { return limit ? random() % limit : 0; };
    for (size_t times = 1 + below(4); times > 0 && !bytes.empty(); times--) {
        const size_t at = below(bytes.size());
        const auto there = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        switch (below(5)) {
        case 0:
            bytes[at] ^= static_cast<uint8_t>(1u << below(8));
            break;
        case 1:
            bytes[at] = static_cast<uint8_t>(random());
            break;
        case 2:
            bytes.erase(there);
            break;
        case 3:
            bytes.resize(at);
            break;
        default:
            bytes.insert(there, bytes.begin() + static_cast<std::ptrdiff_t>(below(at + 1)), there);
        }
    }
    return bytes;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]), 1;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) return std::fprintf(stderr, "%s is empty\n", argv[1]), 1;
    std::mt19937 random(1);
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        const Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        run(bytes);
        for (int number = 0; number < kChangesOfEach; number++)
            run(change(bytes, random));
    }
    std::printf("%zu inputs, each changed %d times\n", files.size(), kChangesOfEach);
    return 0;
}
