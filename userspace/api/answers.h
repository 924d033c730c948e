// The API's answers: control's views as JSON text, keys as docs/api.md has them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/api/http.h"
#include "userspace/base/result.h"
#include "userspace/control/views.h"

namespace cnet::api {

std::string render(const control::NetworkView& view);
std::string render(const control::SandboxView& view);
std::string render(const control::EndpointView& view);
std::string render(const control::PortView& view);
std::string render(const control::UplinkView& view);
std::string render(const control::PeerView& view);
std::string render(const control::AdoptedView& view);
std::string render(const control::DockerAdoptionView& view);
std::string render(const control::FdbView& view);
std::string render(const control::NeighView& view);
std::string render(const control::CtView& view);
std::string render(const control::CtCount& view);
std::string render(const control::NatView& view);
std::string render(const control::DropView& view);

// What an action returns. Lists become text one item at a time: a table of connections as one JSON
// value would take several times its text.
template <typename View> Result<std::string> answer(const Result<View>& view) {
    if (!view) return view.error();
    return render(*view);
}

template <typename View> std::string answer_list(const std::vector<View>& views) {
    std::string text = "[";
    for (const View& view : views) {
        if (text.size() > 1) text += ',';
        text += render(view);
    }
    return text + ']';
}

template <typename View> Result<std::string> answer_list(const Result<std::vector<View>>& views) {
    if (!views) return views.error();
    return answer_list(*views);
}

// The same while it is sent. `next` answers the next items, maybe none, and nothing after the last.
template <typename View, typename Next> Pieces answer_in_pieces(Next next) {
    return [next = std::move(next), begun = false, any = false,
            ended = false]() mutable -> Result<std::string> {
        std::string text = begun ? "" : "[";
        begun = true;
        while (!ended) {
            Result<std::optional<std::vector<View>>> views = next();
            if (!views) return views.error();
            ended = !*views;
            if (ended) return text + ']';
            for (const View& view : **views) {
                if (std::exchange(any, true)) text += ',';
                text += render(view);
            }
            if (!text.empty()) break;
        }
        return text;
    };
}

// {} when it was done.
Result<std::string> answer_done(const Status& status);
// {"flushed": n}
Result<std::string> answer_flushed(const Result<uint64_t>& flushed);

} // namespace cnet::api
