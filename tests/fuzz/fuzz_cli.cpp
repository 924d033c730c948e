// Packets and filters in words, as people type them for `explain` and `monitor`.
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/input.h"
#include "userspace/cnet-bpf/monitor_words.h"
#include "userspace/cnet-bpf/packet_words.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const cnet::fuzz::Input input(data, size, 3);
    std::istringstream line{std::string(input.text)};
    std::vector<std::string> words;
    for (std::string word; line >> word;)
        words.push_back(word);
    if (input.way < 2) (void)cnet::cli::parse_packet(words, input.way == 1);
    if (input.way == 2)
        (void)cnet::cli::parse_monitor(words, {{{"web", 7}}, {{"net", 1}}, {}}, CNET_EVENT_DROP);
    return 0;
}
