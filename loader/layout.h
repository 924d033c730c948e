// What BTF says of the keys and values of a map, and how the entries of one version's map become
// those of another's: a field takes what the field of the same name held, in a struct of the same
// path; what is new is zero, what is no more is left out. So a field that changes its meaning needs
// a new name.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/base/result.h"

namespace cnet::loader {

// The bytes of one key or one value.
class Conversion {
public:
    struct Piece {
        uint32_t from, to, size; // offsets and length in bytes
    };

    Conversion(std::vector<Piece> pieces, size_t to_size)
        : pieces_(std::move(pieces)), to_size_(to_size) {}

    std::vector<uint8_t> apply(const uint8_t* from) const;

private:
    std::vector<Piece> pieces_;
    size_t to_size_;
};

struct EntryConversion {
    Conversion key;
    Conversion value; // of one CPU
};

// Between two maps in the kernel. kInvalid when one of them has no BTF and their sizes differ.
// A number that has become wider or narrower keeps its low bytes: those in network byte order never
// change their size.
Result<EntryConversion> conversion_between(int from_map, int to_map);

} // namespace cnet::loader
