#include "userspace/cnetd/data_path_hooks.h"

namespace cnet::daemon {

Status DataPathHooks::attach(control::Attachment attachment, bool ethernet) {
    return data_path_.attach(attachment.hook, attachment.ifindex, ethernet);
}

Status DataPathHooks::detach(control::Attachment attachment) {
    return data_path_.detach(attachment.hook, attachment.ifindex);
}

Result<std::vector<control::Attachment>> DataPathHooks::attachments() {
    auto attached = data_path_.attachments();
    if (!attached) return attached.error();
    std::vector<control::Attachment> attachments;
    for (const maps::HookDevice& where : *attached)
        attachments.push_back({where.hook, where.ifindex});
    return attachments;
}

Result<unsigned> DataPathHooks::collect(const std::vector<cnet_gc_ct>& candidates) {
    return data_path_.collect(candidates);
}

Result<unsigned> DataPathHooks::collect(const std::vector<cnet_gc_fdb>& candidates) {
    return data_path_.collect(candidates);
}

Result<unsigned> DataPathHooks::collect(const std::vector<cnet_gc_quota>& counted) {
    return data_path_.collect(counted);
}

} // namespace cnet::daemon
