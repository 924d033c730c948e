// Aligned columns on a terminal or into a file. An empty cell is '-'; no line ends in blanks; cells
// are made printable() here. On a screen that is too narrow the columns that may shrink do; into a
// file nothing is ever cut off.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace cnet::cli {

struct Screen {
    size_t columns = 0; // 0: no limit
    bool color = false;
    bool clears = false; // --watch may erase it
};

enum class Align { kLeft, kRight };
enum class Style { kPlain, kHeader, kGood, kNotice, kBad };

// `text`, made printable by the caller, in this style when the screen has colours.
std::string styled(const std::string& text, Style style, const Screen& screen);

struct Cell {
    std::string text;
    Style style = Style::kPlain;
};

struct TableColumn {
    std::string header;
    Align align = Align::kLeft;
    bool shrinks = false;
};

class Table {
public:
    enum class Header { kShown, kHidden };

    explicit Table(std::vector<TableColumn> columns, Header header = Header::kShown)
        : columns_(std::move(columns)), header_(header) {}

    // As many cells as columns.
    void add(std::vector<Cell> cells);
    void print(std::ostream& out, const Screen& screen) const;

private:
    std::vector<size_t> widths(const Screen& screen) const;
    std::string line(const std::vector<Cell>& cells, const std::vector<size_t>& widths,
                     const Screen& screen) const;

    std::vector<TableColumn> columns_;
    Header header_;
    std::vector<std::vector<Cell>> rows_;
};

} // namespace cnet::cli
