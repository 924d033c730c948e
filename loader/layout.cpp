#include "loader/layout.h"

#include <algorithm>
#include <bit>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cstring>
#include <memory>
#include <string>

namespace cnet::loader {

namespace {

static_assert(std::endian::native == std::endian::little, "the low bytes come first");

struct Field {
    std::string path; // "other.src", empty for what is no struct
    uint32_t offset;
    uint32_t size;
};
using Fields = std::vector<Field>;

struct Free {
    void operator()(btf* types) const { btf__free(types); }
};
using Types = std::unique_ptr<btf, Free>;

struct Layout {
    uint32_t key_size;
    uint32_t value_size;
    Fields key;
    Fields value;
    bool has_types;
};

// Everything but a struct is one field: unions, arrays, numbers.
void add_fields(const btf* types, uint32_t id, uint32_t offset, const std::string& path,
                Fields& fields) {
    const int resolved = btf__resolve_type(types, id);
    const btf_type* type = btf__type_by_id(types, static_cast<uint32_t>(resolved));
    if (type != nullptr && btf_is_struct(type)) {
        for (uint32_t i = 0; i < btf_vlen(type); i++) {
            const btf_member& member = btf_members(type)[i];
            const std::string name = btf__name_by_offset(types, member.name_off);
            add_fields(types, member.type, offset + btf_member_bit_offset(type, i) / 8,
                       name.empty() || path.empty() ? path + name : path + "." + name, fields);
        }
        return;
    }
    const int64_t size = btf__resolve_size(types, id);
    if (size > 0) fields.push_back({path, offset, static_cast<uint32_t>(size)});
}

Result<Layout> layout_of(int map) {
    bpf_map_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(map, &info, &size) != 0)
        return Error::system("ask for a map's layout");
    Layout layout{info.key_size, info.value_size, {}, {}, info.btf_id != 0};
    if (!layout.has_types) return layout;
    const Types types(btf__load_from_kernel_by_id(info.btf_id));
    if (!types) return Error::system(std::string("read the types of map ") + info.name);
    add_fields(types.get(), info.btf_key_type_id, 0, "", layout.key);
    add_fields(types.get(), info.btf_value_type_id, 0, "", layout.value);
    return layout;
}

Conversion by_names(const Fields& from, const Fields& to, uint32_t to_size) {
    std::vector<Conversion::Piece> pieces;
    for (const Field& field : to) {
        auto same = std::find_if(from.begin(), from.end(),
                                 [&](const Field& one) { return one.path == field.path; });
        if (same == from.end()) continue;
        pieces.push_back({same->offset, field.offset, std::min(same->size, field.size)});
    }
    return {std::move(pieces), to_size};
}

} // namespace

std::vector<uint8_t> Conversion::apply(const uint8_t* from) const {
    std::vector<uint8_t> to(to_size_);
    for (const Piece& piece : pieces_)
        std::memcpy(to.data() + piece.to, from + piece.from, piece.size);
    return to;
}

Result<EntryConversion> conversion_between(int from_map, int to_map) {
    auto from = layout_of(from_map);
    if (!from) return from.error();
    auto to = layout_of(to_map);
    if (!to) return to.error();
    if (from->has_types && to->has_types) {
        return EntryConversion{by_names(from->key, to->key, to->key_size),
                               by_names(from->value, to->value, to->value_size)};
    }
    if (from->key_size != to->key_size || from->value_size != to->value_size)
        return Error(ErrorKind::kInvalid, "the kernel does not know the types of its fields");
    return EntryConversion{{{{0, 0, to->key_size}}, to->key_size},
                           {{{0, 0, to->value_size}}, to->value_size}};
}

} // namespace cnet::loader
