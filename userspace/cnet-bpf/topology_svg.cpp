#include <algorithm>

#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/topology.h"

namespace cnet::cli {
namespace {

constexpr int kWidth = 980;
constexpr int kBoxWidth = 220;
constexpr int kLine = 16;
constexpr int kGap = 16;
constexpr int kColumns = 4;

std::string escaped(const std::string& text) {
    std::string result;
    for (char c : printable(text)) {
        if (c == '&') {
            result += "&amp;";
        } else if (c == '<') {
            result += "&lt;";
        } else if (c == '>') {
            result += "&gt;";
        } else if (c == '"') {
            result += "&quot;";
        } else {
            result += c;
        }
    }
    return result;
}

std::string text_at_point(int x, int y, const std::string& text, const char* style) {
    return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" class=\"" +
           style + "\">" + escaped(text) + "</text>\n";
}

std::string box(int x, int y, int width, int height, const char* style) {
    return "<rect x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
           std::to_string(width) + "\" height=\"" + std::to_string(height) +
           "\" rx=\"6\" class=\"" + style + "\"/>\n";
}

using Lines = std::vector<std::string>;

// Boxes of lines in rows; what comes below begins at the returned height.
int add_boxes(std::string& svg, const std::vector<std::pair<Lines, const char*>>& boxes, int x,
              int y) {
    for (size_t first = 0; first < boxes.size(); first += kColumns) {
        const size_t end = std::min(first + kColumns, boxes.size());
        size_t lines = 0;
        for (size_t i = first; i < end; i++)
            lines = std::max(lines, boxes[i].first.size());
        const int height = static_cast<int>(lines) * kLine + kGap;
        for (size_t i = first; i < end; i++) {
            const int left = x + static_cast<int>(i - first) * (kBoxWidth + kGap);
            svg += box(left, y, kBoxWidth, height, boxes[i].second);
            int baseline = y + kLine + 2;
            for (const std::string& line : boxes[i].first) {
                svg += text_at_point(left + 8, baseline, clip(line, 34),
                                     baseline == y + kLine + 2 ? "name" : "line");
                baseline += kLine;
            }
        }
        y += height + kGap;
    }
    return y;
}

int add_network(std::string& svg, const TopologyNetwork& network, int y) {
    std::vector<std::pair<Lines, const char*>> boxes;
    for (const TopologyEndpoint& endpoint : network.endpoints) {
        Lines lines = {endpoint.name, endpoint.addresses, endpoint.state, rate_text(endpoint.rate)};
        lines.insert(lines.end(), endpoint.ports.begin(), endpoint.ports.end());
        boxes.emplace_back(std::move(lines), endpoint.state == "up" ? "up" : "down");
    }
    std::string inside;
    const int bottom = add_boxes(inside, boxes, 2 * kGap, y + 2 * kLine + 8);
    svg += box(kGap, y, kWidth - 2 * kGap, bottom - y, "network");
    svg += text_at_point(2 * kGap, y + kLine + 4, network.name + "  " + network.about, "name");
    svg += inside;
    return bottom + kGap;
}

} // namespace

std::string svg_of(const Topology& topology) {
    std::string body;
    std::vector<std::pair<Lines, const char*>> edges;
    for (const TopologyEdge& uplink : topology.uplinks)
        edges.push_back(
            {{"uplink " + uplink.name, uplink.about, rate_text(uplink.rate)}, "uplink"});
    for (const TopologyEdge& peer : topology.peers)
        edges.push_back({{"host " + peer.name, peer.about, rate_text(peer.rate)}, "peer"});
    int y = add_boxes(body, edges, kGap, kGap);
    for (const TopologyNetwork& network : topology.networks)
        y = add_network(body, network, y);
    const std::string size = std::to_string(kWidth) + "\" height=\"" + std::to_string(y);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " +
           std::to_string(kWidth) + ' ' + std::to_string(y) +
           "\">\n<style>text{font:12px sans-serif}.name{font-weight:bold}"
           "rect{fill:#fff;stroke:#666}.network{fill:#eef3f8}.up{stroke:#2a7}.down{stroke:#c33}"
           ".uplink{fill:#fdf6e3}.peer{fill:#f3eefa}</style>\n" +
           body + "</svg>\n";
}

} // namespace cnet::cli
