// Decoders of the maps that flows are in: cnet_ct, cnet_frag, cnet_frag_held.
#pragma once

#include "userspace/cnet-bpf/decode.h"

namespace cnet::cli {

Json ct_key(const void* bytes, const Decoder& decoder);
Json ct_value(const void* bytes, const Decoder& decoder);
Json frag_key(const void* bytes, const Decoder& decoder);
Json frag_value(const void* bytes, const Decoder& decoder);
Json frag_held_key(const void* bytes, const Decoder& decoder);
Json frag_held_value(const void* bytes, const Decoder& decoder);

} // namespace cnet::cli
