// Namespaces over the running kernel: files below `directory`, as ip-netns(8) keeps them.
#pragma once

#include <filesystem>

#include "userspace/control/namespaces.h"

namespace cnet::control {

class KernelNamespaces final : public Namespaces {
public:
    // `directory` is Paths::netns.
    explicit KernelNamespaces(std::filesystem::path directory) : directory_(std::move(directory)) {}

    std::string path_of(const std::string& name) const override;
    Status create(const std::string& name) override;
    Status remove(const std::string& name) override;
    bool alive(const std::string& path) const override;
    bool is_own(const std::string& path) const override;

private:
    std::filesystem::path directory_;
};

} // namespace cnet::control
