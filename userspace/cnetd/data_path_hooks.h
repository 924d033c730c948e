// control::Hooks over the loaded programs.
#pragma once

#include "loader/data_path.h"
#include "userspace/control/hooks.h"

namespace cnet::daemon {

class DataPathHooks final : public control::Hooks {
public:
    // `data_path` outlives this.
    explicit DataPathHooks(loader::DataPath& data_path) : data_path_(data_path) {}

    Status attach(control::Attachment attachment, bool ethernet) override;
    Status detach(control::Attachment attachment) override;
    Result<std::vector<control::Attachment>> attachments() override;
    Result<unsigned> collect(const std::vector<cnet_gc_ct>& candidates) override;
    Result<unsigned> collect(const std::vector<cnet_gc_fdb>& candidates) override;
    Result<unsigned> collect(const std::vector<cnet_gc_quota>& counted) override;

private:
    loader::DataPath& data_path_;
};

} // namespace cnet::daemon
