// From the API's JSON to what people read, and from arguments to the API's JSON. A View says which
// keys of an object make which columns; lists are tables, single objects one line a column.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "userspace/cnet-bpf/context.h"

namespace cnet::cli {

// A value as text: "" for null or absent, lists joined by commas, on/off for booleans.
std::string text_of(const Json& value);
// Null when absent.
const Json& value_at(const Json& object, const char* key);
std::string text_at(const Json& object, const char* key);
// 0 when absent or no number.
uint64_t number_at(const Json& object, const char* key);
// The list under `key`, or an empty one.
const Json& list_at(const Json& object, const char* key);
std::string seconds_at(const Json& object, const char* key);
// "10.0.0.9:80", "[fd00::9]:80"; the address alone where there is no port.
std::string side_of(const Json& tuple, const char* address, const char* port);

struct Column {
    std::string header;
    std::function<Cell(const Json& object)> cell;
    Align align = Align::kLeft;
    bool shrinks = false;
    bool more = false; // with --stats, and in `show`
};
using View = std::vector<Column>;

// A cell that is the value under `key`.
std::function<Cell(const Json&)> key(const char* key);
// A cell made by a function of the object.
std::function<Cell(const Json&)> plain(std::string (*text)(const Json&));

void print_table(Context& context, const View& view, const Json& list,
                 Table::Header header = Table::Header::kShown);
void print_record(Context& context, const View& view, const Json& object);

// GET `target`; an answer that is no array or no object is an error.
Reply get_list(Context& context, const std::string& target);
Reply get_object(Context& context, const std::string& target);
// The same, printed.
int show_list(Context& context, const std::string& target, const View& view);
int show_object(Context& context, const std::string& target, const View& view);
// Sends a change; prints the answer with -j, otherwise what `describe` makes of it, if anything.
using Describe = std::string (*)(const Json& answer);
int change(Context& context, const std::string& method, const std::string& target, const Json& body,
           Describe describe = nullptr);

// "/v1/networks/web"
std::string member(const std::string& collection, const std::string& name);
// "/v1/fdb?network=web", or without the filter when there is no value.
std::string filtered(const std::string& collection, const char* key,
                     const std::optional<std::string>& value);
// The options given, under their keys.
Json body_of(const Verb& verb, const Arguments& arguments);

} // namespace cnet::cli
