#include "userspace/cnet-bpf/table.h"

#include <algorithm>
#include <ostream>

#include "userspace/base/result.h"
#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowest = 8; // a shrunk column shows at least this much

const char* escape_sequence(Style style) {
    switch (style) {
    case Style::kPlain:
        return "";
    case Style::kHeader:
        return "\033[1m";
    case Style::kGood:
        return "\033[32m";
    case Style::kNotice:
        return "\033[33m";
    case Style::kBad:
        return "\033[31m";
    }
    return "";
}

} // namespace

std::string styled(const std::string& text, Style style, const Screen& screen) {
    if (!screen.color || style == Style::kPlain) return text;
    return escape_sequence(style) + text + "\033[0m";
}

void Table::add(std::vector<Cell> cells) {
    CNET_CHECK(cells.size() == columns_.size());
    for (Cell& cell : cells) {
        cell.text = cell.text.empty() ? "-" : printable(cell.text);
    }
    rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::widths(const Screen& screen) const {
    std::vector<size_t> widths(columns_.size(), 0);
    size_t total = columns_.empty() ? 0 : (columns_.size() - 1) * kGap;
    for (size_t i = 0; i < columns_.size(); i++) {
        if (header_ == Header::kShown) widths[i] = display_width(columns_[i].header);
        for (const auto& row : rows_) {
            widths[i] = std::max(widths[i], display_width(row[i].text));
        }
        total += widths[i];
    }
    while (screen.columns != 0 && total > screen.columns) {
        // The widest gives way first, so that no column loses more than it must.
        size_t widest = columns_.size();
        for (size_t i = 0; i < columns_.size(); i++) {
            size_t least = std::max(kNarrowest, display_width(columns_[i].header));
            if (!columns_[i].shrinks || widths[i] <= least) continue;
            if (widest == columns_.size() || widths[i] > widths[widest]) widest = i;
        }
        if (widest == columns_.size()) break;
        widths[widest]--;
        total--;
    }
    return widths;
}

std::string Table::line(const std::vector<Cell>& cells, const std::vector<size_t>& widths,
                        const Screen& screen) const {
    std::string result;
    for (size_t i = 0; i < cells.size(); i++) {
        std::string text = clip(cells[i].text, widths[i]);
        std::string padding(widths[i] - display_width(text), ' ');
        if (columns_[i].align == Align::kRight) result += padding;
        result += styled(text, cells[i].style, screen);
        if (i + 1 == cells.size()) break;
        if (columns_[i].align == Align::kLeft) result += padding;
        result.append(kGap, ' ');
    }
    return result + "\n";
}

void Table::print(std::ostream& out, const Screen& screen) const {
    std::vector<size_t> column_widths = widths(screen);
    if (header_ == Header::kShown) {
        std::vector<Cell> headers;
        for (const TableColumn& column : columns_) {
            headers.push_back({column.header, Style::kHeader});
        }
        out << line(headers, column_widths, screen);
    }
    for (const auto& row : rows_) {
        out << line(row, column_widths, screen);
    }
}

} // namespace cnet::cli
