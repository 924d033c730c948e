// Blocking TCP sockets, and the bytes that the two ends of a run exchange.
//
// A run opens with a hello: the client sends the run's token, the server answers with its
// complement, so both know that the far end is this run's. A request is any byte but kGoodbye, its
// answer depends on the byte and the token. The run closes with kGoodbye, answered by how many
// requests the server has answered.
#pragma once

#include <sys/time.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tools/benchmark/worker/options.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet::bench {

inline constexpr uint8_t kGoodbye = 0xff;
// Of a stream: a block that the server compares as a whole.
inline constexpr uint8_t kCompare = 0xfe;
// What the requests of all connections of a stream are long together. The first byte of each is the
// request, its last the answer to it, so that one byte too many or too few anywhere is noticed.
inline constexpr size_t kBlocks = size_t{4} << 20;

// What lies between the first byte and the last is the same in each block of a run, and no other
// run's: what was left in some buffer, or bytes at another's place, are not taken for it.
std::vector<uint8_t> block_of(const Options& options);

inline uint8_t request_byte(uint64_t number) {
    return static_cast<uint8_t>(number % kCompare);
}
inline uint8_t answer_byte(uint8_t request, uint64_t token) {
    return static_cast<uint8_t>(request ^ (token | 1));
}

Result<UniqueFd> listen_on(const Options& options);
Result<UniqueFd> accept_from(const UniqueFd& listener);
Result<UniqueFd> connect_to(const Options& options);
// From that address and any port; no socket when nobody answers within `longest`.
Result<UniqueFd> connect_from(const Options& options, in_addr source, timeval longest);

Status send_all(const UniqueFd& socket, const void* bytes, size_t size);
Status receive_all(const UniqueFd& socket, void* bytes, size_t size);
// Waits until the peer has closed or reset the connection; any byte that still comes is an error.
Status wait_for_close(const UniqueFd& socket);
// close() will send RST: no TIME_WAIT on either end.
Status reset_on_close(const UniqueFd& socket);

Status say_hello(const UniqueFd& socket, uint64_t token);
Status answer_hello(const UniqueFd& socket, uint64_t token);
// A connection that has said hello.
Result<UniqueFd> greeted(const Options& options);
// One request and its answer, which must be the right one.
Status ask_one(const UniqueFd& socket, const Options& options, uint64_t number);
// The server must have answered as many.
Status say_goodbye(const UniqueFd& socket, uint64_t asked);

} // namespace cnet::bench
