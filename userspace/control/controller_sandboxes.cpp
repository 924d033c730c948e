#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/control/controller_impl.h"

namespace cnet::control {

namespace {

std::vector<EndpointId> endpoints_in(const State& state, const std::string& path) {
    std::vector<EndpointId> ids;
    for (const auto& [id, endpoint] : state.endpoints) {
        if (endpoint.netns == path) ids.push_back(id);
    }
    return ids;
}

} // namespace

SandboxView Controller::Impl::view(const Sandbox& sandbox) const {
    return {sandbox.name, sandbox.path, endpoints_in(state, sandbox.path).size()};
}

Result<SandboxView> Controller::create_sandbox(const std::string& name) {
    auto status = check_name("sandbox", name);
    if (!status) return status.error();
    if (impl_->state.sandboxes.contains(name)) {
        return Error(ErrorKind::kConflict, "sandbox " + name + " exists already");
    }
    Namespaces& namespaces = impl_->parts.namespaces;
    const Sandbox sandbox{name, namespaces.path_of(name)};
    if (namespaces.alive(sandbox.path)) {
        return Error(ErrorKind::kConflict,
                     "a network namespace " + sandbox.path + " exists already");
    }
    // The store first: a crash in between leaves a sandbox that the next start makes, not a
    // namespace that nobody owns.
    status = impl_->parts.store.commit({store::PutSandbox{sandbox}});
    if (!status) return status.error();
    status = namespaces.create(name);
    if (!status) {
        auto undone = impl_->parts.store.commit({store::RemoveSandbox{name}});
        if (!undone) impl_->note_error(undone.error().because("undo sandbox " + name));
        return status.error();
    }
    impl_->state.sandboxes[name] = sandbox;
    return impl_->view(sandbox);
}

Status Controller::delete_sandbox(const std::string& name) {
    auto found = impl_->find_sandbox(name);
    if (!found) return found.error();
    const Sandbox sandbox = **found;
    auto status = impl_->remove_endpoints(endpoints_in(impl_->state, sandbox.path));
    if (!status) return status;
    status = impl_->parts.namespaces.remove(name);
    if (!status) return status;
    status = impl_->parts.store.commit({store::RemoveSandbox{name}});
    if (!status) return status;
    impl_->state.sandboxes.erase(name);
    return {};
}

std::vector<SandboxView> Controller::sandboxes() const {
    std::vector<SandboxView> views;
    for (const auto& [name, sandbox] : impl_->state.sandboxes)
        views.push_back(impl_->view(sandbox));
    return views;
}

} // namespace cnet::control
