#include "userspace/etcd/client.h"
#include "userspace/etcd/lines.h"
#include "userspace/etcd/session.h"

namespace cnet::etcd {
namespace {

using std::chrono::steady_clock;

// Of gRPC.
constexpr int64_t kCanceled = 1;
constexpr int64_t kPermissionDenied = 7;

// A member fragments what is longer than its largest request, 1.5 MiB unless told otherwise.
constexpr size_t kLineLimitBytes = 32u << 20;

// What one member's stream says, as batches and an end.
class Reader {
public:
    Reader(Session& session, int64_t from_revision, const OnEvents& on_events)
        : session_(session), on_events_(on_events), lines_(kLineLimitBytes) {
        end_.revision = from_revision - 1;
    }

    // False: `end()` is known.
    bool take(std::string_view bytes) {
        auto fed = lines_.feed(bytes, [this](std::string_view line) { return take_line(line); });
        if (fed == LineSplitter::Fed::kTooLong)
            return broken(session_.about(ErrorKind::kUnavailable, "a message of more than 32 MiB"));
        return fed == LineSplitter::Fed::kWell;
    }

    // The stream is over, by take() or by itself.
    void finish(const Answer& answer, bool stopped) {
        if (ended_) return;
        // A refusal before the stream began has no line's end.
        if (!lines_.rest().empty() && !take("\n")) return;
        if (stopped) {
            end_.reason = WatchEnd::Reason::kStopped;
        } else if (answer.kind == Answer::Kind::kDone) {
            broken(session_.about(ErrorKind::kUnavailable, "it ended the watch"));
        } else {
            broken(Error(ErrorKind::kUnavailable, answer.error.message()));
        }
    }

    bool created() const { return created_; }
    bool token_refused() const { return token_refused_; }
    const WatchEnd& end() const { return end_; }

private:
    bool take_line(std::string_view line) {
        auto answer = parse_answer(line);
        if (!answer)
            return broken(session_.about(ErrorKind::kUnavailable, answer.error().message()));
        if (Refusal refusal = read_refusal(*answer); refusal.code != 0) return refused(refusal);
        if (auto status = session_.check_cluster(*answer); !status) return broken(status.error());
        auto message = read_watch_message(answer->value("result", Json::object()));
        if (!message)
            return broken(session_.about(ErrorKind::kUnavailable, message.error().message()));
        return take_message(*message);
    }

    bool take_message(WatchMessage& message) {
        if (message.compact_revision != 0) return compacted(message.compact_revision);
        if (message.canceled) return canceled(message.cancel_reason);
        created_ = true;
        if (message.created)
            on_events_({{}, end_.revision});
        else
            deliver(message);
        return true;
    }

    // The store's revision in a message with events says nothing: of a watch that catches up, a
    // message holds at most 1000 revisions and names the newest of all.
    void deliver(WatchMessage& message) {
        WatchBatch batch;
        for (Event& event : message.events) {
            // etcd before 3.4.25 can send events that are older than asked for.
            if (event.kv.mod_revision <= end_.revision) continue;
            batch.events.push_back(std::move(event));
        }
        int64_t reached = message.store_revision;
        if (!message.events.empty()) {
            reached = message.events.back().kv.mod_revision;
            // The revision can go on in the next fragment.
            if (message.fragment) reached--;
        }
        end_.revision = std::max(end_.revision, reached);
        batch.revision = end_.revision;
        on_events_(batch);
    }

    bool canceled(const std::string& reason) {
        bool denied = reason.find("permission denied") != std::string::npos;
        return refused({denied ? kPermissionDenied : kCanceled,
                        reason.empty() ? "it ended the watch" : reason});
    }

    bool refused(const Refusal& refusal) {
        Answer answer = session_.refused(refusal);
        token_refused_ = answer.kind == Answer::Kind::kTokenRefused;
        bool denied = answer.error.kind() == ErrorKind::kDenied;
        return broken(
            {denied ? ErrorKind::kDenied : ErrorKind::kUnavailable, answer.error.message()});
    }

    bool compacted(int64_t revision) {
        ended_ = true;
        end_.reason = WatchEnd::Reason::kCompacted;
        end_.compact_revision = revision;
        end_.error = session_.about(ErrorKind::kNotFound, "what came before revision " +
                                                              std::to_string(revision) +
                                                              " has been compacted");
        return false;
    }

    bool broken(Error error) {
        ended_ = true;
        end_.reason = WatchEnd::Reason::kBroken;
        end_.error = std::move(error);
        return false;
    }

    Session& session_;
    const OnEvents& on_events_;
    LineSplitter lines_;
    bool created_ = false;
    bool ended_ = false;
    bool token_refused_ = false;
    WatchEnd end_;
};

// How one member's watch ended.
struct Watched {
    WatchEnd end;
    bool stood = false;         // it was begun
    bool silent = false;        // and ended for want of messages
    bool token_refused = false; // it was not begun
};

// `opening` is for the first message.
Watched watch_once(Session& session, const std::string& prefix, int64_t from_revision,
                   const OnEvents& on_events, Deadline opening, const std::stop_token& stop) {
    Reader reader(session, from_revision, on_events);
    Answer answer = session.log_in(opening, stop);
    if (answer.kind == Answer::Kind::kDone) {
        auto on_data = [&](std::string_view bytes, Deadline& deadline) {
            bool go_on = reader.take(bytes);
            if (reader.created()) deadline = steady_clock::now() + session.config().watch_silence;
            return go_on;
        };
        answer = session.stream("/v3/watch", watch_request(prefix, from_revision), opening, on_data,
                                stop);
    }
    reader.finish(answer, stop.stop_requested());
    return {reader.end(), reader.created(), reader.created() && answer.timed_out,
            reader.token_refused()};
}

} // namespace

WatchEnd Client::watch(const std::string& prefix, int64_t from_revision, const OnEvents& on_events,
                       const std::stop_token& stop) {
    const auto members = static_cast<int>(session_->config().endpoints.size());
    const auto opening_time = session_->config().request_timeout / members;
    bool new_token = false;
    for (int left = members;;) {
        Deadline opening = steady_clock::now() + opening_time;
        Watched watched = watch_once(*session_, prefix, from_revision, on_events, opening, stop);
        if (watched.token_refused && !new_token) {
            session_->forget_token();
            new_token = true;
            continue;
        }
        if (watched.end.reason != WatchEnd::Reason::kBroken) return watched.end;
        session_->put_behind_others();
        from_revision = watched.end.revision + 1;
        new_token = new_token && !watched.stood;
        // Nobody has to know of a member that was silent, as long as another takes its place.
        if (watched.silent)
            left = members;
        else if (watched.stood || --left == 0)
            return watched.end;
    }
}

} // namespace cnet::etcd
