#include "loader/load.h"

#include "loader/migrate.h"

namespace cnet::loader {

namespace {

Result<std::vector<Object>> load_each(const std::vector<ObjectImage>& images,
                                      const ObjectSettings& settings, OtherSizes& other_sizes) {
    std::vector<Object> objects;
    for (const ObjectImage& image : images) {
        auto object = Object::load(image, settings, other_sizes);
        if (!object) return object.error();
        objects.push_back(std::move(*object));
    }
    return objects;
}

struct Migrated {
    std::vector<Object> objects;
    uint64_t connections;
};

// On maps that are made now, with the entries of those that are set aside. On failure all is as it
// was.
Result<Migrated> load_and_migrate(const std::vector<ObjectImage>& images,
                                  const ObjectSettings& settings) {
    OtherSizes none; // of maps that are made as the settings say
    auto objects = load_each(images, settings, none);
    auto taken = objects ? take_entries_along(settings.pins) : Result<uint64_t>(objects.error());
    if (taken) return Migrated{std::move(*objects), *taken};
    if (auto status = put_maps_back(settings.pins); !status)
        return status.error().because("after: " + taken.error().message());
    return taken.error();
}

std::string text_of(const OtherSizes& sizes) {
    std::string text;
    for (const auto& [map, size] : sizes) {
        text += (text.empty() ? "" : ", ") + map + " " + std::to_string(size.pinned) +
                " entries instead of " + std::to_string(size.wanted);
    }
    return text;
}

std::string kept(const OtherSizes& sizes, const std::string& why) {
    return "maps keep their sizes, " + text_of(sizes) + ": " + why;
}

} // namespace

Result<std::vector<Object>> load_objects(Settled settled, const std::vector<ObjectImage>& images,
                                         const ObjectSettings& settings,
                                         std::vector<std::string>& warnings) {
    if (settled == Settled::kToMigrate) {
        auto migrated = load_and_migrate(images, settings);
        if (!migrated) return migrated.error();
        warnings.push_back("the data path was of another version: its " +
                           std::to_string(migrated->connections) +
                           " entries of connections were taken along");
        return std::move(migrated->objects);
    }
    OtherSizes other_sizes;
    auto objects = load_each(images, settings, other_sizes);
    if (!objects || other_sizes.empty() || settings.config.dry_run != 0) return objects;
    if (settled == Settled::kToFinish) {
        // Programs of before may still add to what is set aside, which can be only one set.
        warnings.push_back(kept(other_sizes, "another change was not finished; restart cnetd"));
        return objects;
    }
    if (auto status = set_maps_aside(settings.pins); !status) return status.error();
    auto resized = load_and_migrate(images, settings);
    if (resized) {
        warnings.push_back("maps had other sizes than configured and were made anew, with what "
                           "they held: " +
                           text_of(other_sizes));
        return std::move(resized->objects);
    }
    warnings.push_back(kept(other_sizes, resized.error().message()));
    return load_each(images, settings, other_sizes);
}

} // namespace cnet::loader
