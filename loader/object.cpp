#include "loader/object.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "loader/libbpf_log.h"
#include "loader/pin.h"
#include "maps/map_fd.h"
#include "maps/pin_path.h"

namespace cnet::loader {

namespace {

constexpr const char* kConfigSection = ".rodata";
constexpr const char* kConfigVariable = "cnet_cfg";
// Variables are an object's own, but for those in these sections: all programs share them with who
// writes them, as the map of this name.
constexpr std::pair<std::string_view, const char*> kSharedSections[] = {
    {".data.watch", "cnet_watch"}, {".data.written", "cnet_written"}};

struct Range {
    size_t offset;
    size_t size;
};

std::optional<Range> find_variable(const bpf_object* object, const char* section,
                                   const char* variable) {
    const btf* types = bpf_object__btf(object);
    int id = types == nullptr ? -1 : btf__find_by_name_kind(types, section, BTF_KIND_DATASEC);
    if (id < 0) return std::nullopt;
    const btf_type* data = btf__type_by_id(types, static_cast<uint32_t>(id));
    const btf_var_secinfo* entry = btf_var_secinfos(data);
    for (uint16_t i = 0; i < btf_vlen(data); i++, entry++) {
        const btf_type* candidate = btf__type_by_id(types, entry->type);
        if (std::strcmp(btf__name_by_offset(types, candidate->name_off), variable) == 0) {
            return Range{entry->offset, entry->size};
        }
    }
    return std::nullopt;
}

bpf_map* find_section_map(const bpf_object* object, std::string_view section) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        std::string_view name = bpf_map__name(map);
        if (bpf_map__is_internal(map) && name.ends_with(section)) return map;
    }
    return nullptr;
}

Status set_config(const bpf_object* object, const cnet_config& config) {
    auto range = find_variable(object, kConfigSection, kConfigVariable);
    bpf_map* section = find_section_map(object, kConfigSection);
    if (!range || section == nullptr) {
        // An object that reads no setting has no such variable; but one that cannot be told to
        // change nothing must not run as if it had been.
        if (config.dry_run == 0) return {};
        return Error(ErrorKind::kSystem, "it has no cnet_cfg, so it cannot run dry");
    }
    size_t size = 0;
    const void* initial = bpf_map__initial_value(section, &size);
    if (range->size != sizeof(config) || initial == nullptr || range->offset + range->size > size) {
        return Error(ErrorKind::kSystem, "its cnet_cfg is not a struct cnet_config");
    }
    std::vector<uint8_t> bytes(size);
    std::memcpy(bytes.data(), initial, size);
    std::memcpy(bytes.data() + range->offset, &config, sizeof(config));
    if (int error = bpf_map__set_initial_value(section, bytes.data(), size); error != 0) {
        return Error::system("set its cnet_cfg", -error);
    }
    return {};
}

std::string describe(uint32_t type, uint32_t key, uint32_t value, uint32_t flags) {
    return "type " + std::to_string(type) + ", key " + std::to_string(key) + ", value " +
           std::to_string(value) + " bytes, flags " + std::to_string(flags);
}

Status reuse_map(bpf_map* map, int fd, const std::filesystem::path& pin, OtherSizes& other_sizes) {
    auto pinned = maps::map_info(fd);
    if (!pinned) return pinned.error();
    auto wanted = describe(bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
                           bpf_map__map_flags(map));
    auto found = describe(pinned->type, pinned->key_size, pinned->value_size, pinned->flags);
    if (wanted != found) {
        return Error(ErrorKind::kConflict,
                     "the map pinned at " + pin.string() + " is another one than this version's (" +
                         found + " instead of " + wanted +
                         "): stop the data path with the version that made it, or remove " +
                         pin.parent_path().parent_path().string() + ", which cuts all connections");
    }
    if (pinned->max_entries != bpf_map__max_entries(map)) {
        other_sizes[pin.filename()] = {pinned->max_entries, bpf_map__max_entries(map)};
    }
    if (int error = bpf_map__reuse_fd(map, fd); error != 0) {
        return Error::system("use the map pinned at " + pin.string(), -error);
    }
    return {};
}

std::string pinned_name(const bpf_map* map) {
    const std::string name = bpf_map__name(map);
    if (!bpf_map__is_internal(map)) return name;
    for (const auto& [section, shared] : kSharedSections)
        if (name == section) return shared;
    return {};
}

Status prepare_map(bpf_map* map, const std::string& name, const ObjectSettings& settings,
                   OtherSizes& other_sizes) {
    if (auto size = settings.max_entries.find(name); size != settings.max_entries.end()) {
        if (int error = bpf_map__set_max_entries(map, size->second); error != 0) {
            return Error::system("set the size of map " + name, -error);
        }
    }
    const auto pin = maps::map_pin(settings.pins, name);
    auto fd = maps::open_pinned_map(pin, maps::Access::kReadWrite);
    if (fd) return reuse_map(map, fd->get(), pin, other_sizes);
    if (fd.error().kind() != ErrorKind::kNotFound || settings.config.dry_run != 0) {
        return fd.error();
    }
    // libbpf pins it in the moment it creates it.
    if (int error = bpf_map__set_pin_path(map, pin.c_str()); error != 0) {
        return Error::system("pin map " + name, -error);
    }
    return {};
}

Status choose_programs(const bpf_object* object, const std::vector<std::string>& names) {
    if (names.empty()) return {};
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        const bool wanted =
            std::find(names.begin(), names.end(), bpf_program__name(program)) != names.end();
        if (int error = bpf_program__set_autoload(program, wanted); error != 0)
            return Error::system("choose its programs", -error);
    }
    return {};
}

Status load_object(bpf_object* object, const LibbpfLog& log) {
    int error = bpf_object__load(object);
    if (error == 0) return {};
    bool denied = error == -EPERM;
    std::string text = std::string("the kernel refused it: ") + std::strerror(-error);
    if (auto tail = log.tail(); !tail.empty()) text += "\n" + tail;
    return Error(denied ? ErrorKind::kDenied : ErrorKind::kSystem, std::move(text), -error);
}

} // namespace

void Object::Close::operator()(bpf_object* object) const {
    bpf_object__close(object);
}

Result<Object> Object::load(const ObjectImage& image, const ObjectSettings& settings,
                            OtherSizes& other_sizes) {
    const std::string attempted = "load the BPF object " + image.name;
    LibbpfLog log;
    bpf_object_open_opts options{};
    options.sz = sizeof(options);
    options.object_name = image.name.c_str();
    std::unique_ptr<bpf_object, Close> object(
        bpf_object__open_mem(image.bytes, image.size, &options));
    if (!object) return Error::system(attempted + ": open it");
    if (auto status = set_config(object.get(), settings.config); !status) {
        return status.error().because(attempted);
    }
    if (auto status = choose_programs(object.get(), image.programs); !status)
        return status.error().because(attempted);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) {
        const std::string name = pinned_name(map);
        if (name.empty()) continue;
        if (auto status = prepare_map(map, name, settings, other_sizes); !status) {
            return status.error().because(attempted);
        }
    }
    if (auto status = load_object(object.get(), log); !status) {
        return status.error().because(attempted);
    }
    return Object(image.name, std::move(object));
}

int Object::program_fd(std::string_view name) const {
    const bpf_program* program =
        bpf_object__find_program_by_name(object_.get(), std::string(name).c_str());
    return program == nullptr ? -1 : std::max(bpf_program__fd(program), -1);
}

int Object::section_fd(std::string_view section) const {
    const bpf_map* map = find_section_map(object_.get(), section);
    return map == nullptr ? -1 : bpf_map__fd(map);
}

std::vector<std::string> Object::program_names() const {
    std::vector<std::string> names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object_.get()) {
        if (bpf_program__fd(program) >= 0) names.emplace_back(bpf_program__name(program));
    }
    return names;
}

Status Object::pin_programs(const std::filesystem::path& pins) const {
    for (const std::string& name : program_names()) {
        auto status = replace_pin(program_fd(name), maps::prog_pin(pins, name));
        if (!status) return status.error();
    }
    return {};
}

Result<unsigned> Object::restore_pins(const std::filesystem::path& pins) const {
    std::vector<std::pair<std::filesystem::path, int>> wanted;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object_.get()) {
        const std::string name = pinned_name(map);
        if (!name.empty()) wanted.emplace_back(maps::map_pin(pins, name), bpf_map__fd(map));
    }
    for (const std::string& name : program_names())
        wanted.emplace_back(maps::prog_pin(pins, name), program_fd(name));
    unsigned restored = 0;
    for (const auto& [pin, fd] : wanted) {
        if (bpf_obj_pin(fd, pin.c_str()) == 0)
            restored++;
        else if (errno != EEXIST)
            return Error::system("pin " + pin.string());
    }
    return restored;
}

} // namespace cnet::loader
