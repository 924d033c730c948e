#include "userspace/cnet-bpf/view.h"

#include <ostream>

#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

Json value_of(const Option& option, const std::string& value) {
    switch (option.kind) {
    case OptionKind::kSwitch:
        return true;
    case OptionKind::kOnOff:
        return value == "on";
    case OptionKind::kNumber:
        return parse_number(value).value_or(0); // the parser has checked it
    case OptionKind::kNumberOrAuto:
        if (value == "auto") return value;
        return parse_number(value).value_or(0);
    case OptionKind::kTextOrNone:
        return value == "none" ? Json() : Json(value);
    case OptionKind::kText:
        return value;
    }
    return {};
}

Reply checked(Reply reply, bool understood, const std::string& target) {
    if (!reply.ok() || understood) return reply;
    return {kRefused, "cnetd's answer to GET " + target + " is not understood", {}};
}

} // namespace

std::string text_of(const Json& value) {
    if (value.is_null()) return {};
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
    if (!value.is_array()) return value.dump(-1, ' ', true, Json::error_handler_t::replace);
    std::string text;
    for (const Json& item : value) {
        if (!text.empty()) text += ",";
        text += text_of(item);
    }
    return text;
}

const Json& value_at(const Json& object, const char* key) {
    static const Json kNothing;
    if (!object.is_object()) return kNothing;
    auto found = object.find(key);
    return found == object.end() ? kNothing : *found;
}

std::string text_at(const Json& object, const char* key) {
    return text_of(value_at(object, key));
}

uint64_t number_at(const Json& object, const char* key) {
    const Json& value = value_at(object, key);
    return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}

const Json& list_at(const Json& object, const char* key) {
    static const Json kEmpty = Json::array();
    const Json& value = value_at(object, key);
    return value.is_array() ? value : kEmpty;
}

std::string seconds_at(const Json& object, const char* key) {
    return value_at(object, key).is_number() ? human_seconds(number_at(object, key))
                                             : std::string();
}

std::string side_of(const Json& tuple, const char* address, const char* port) {
    std::string text = text_at(tuple, address);
    if (number_at(tuple, port) == 0) return text;
    if (text.find(':') != std::string::npos) text = "[" + text + "]";
    return text + ":" + text_at(tuple, port);
}

std::function<Cell(const Json&)> key(const char* key) {
    return [key](const Json& object) { return Cell{text_at(object, key)}; };
}

std::function<Cell(const Json&)> plain(std::string (*text)(const Json&)) {
    return [text](const Json& object) { return Cell{text(object)}; };
}

void print_table(Context& context, const View& view, const Json& list, Table::Header header) {
    std::vector<const Column*> shown;
    std::vector<TableColumn> columns;
    for (const Column& column : view) {
        if (column.more && !context.settings.stats) continue;
        shown.push_back(&column);
        columns.push_back({column.header, column.align, column.shrinks});
    }
    Table table(std::move(columns), header);
    for (const Json& object : list) {
        std::vector<Cell> cells;
        for (const Column* column : shown) {
            cells.push_back(column->cell(object));
        }
        table.add(std::move(cells));
    }
    table.print(context.out, context.screen);
}

void print_record(Context& context, const View& view, const Json& object) {
    Table table({{"", Align::kLeft}, {"", Align::kLeft}}, Table::Header::kHidden);
    for (const Column& column : view) {
        table.add({{column.header, Style::kHeader}, column.cell(object)});
    }
    table.print(context.out, Screen{0, context.screen.color, context.screen.clears});
}

Reply get_list(Context& context, const std::string& target) {
    Reply reply = context.api.get(target);
    bool understood = reply.body.is_array();
    return checked(std::move(reply), understood, target);
}

Reply get_object(Context& context, const std::string& target) {
    Reply reply = context.api.get(target);
    bool understood = reply.body.is_object();
    return checked(std::move(reply), understood, target);
}

int show_list(Context& context, const std::string& target, const View& view) {
    Reply reply = get_list(context, target);
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json) {
        context.print_json(reply.body);
    } else {
        print_table(context, view, reply.body);
    }
    return kDone;
}

int show_object(Context& context, const std::string& target, const View& view) {
    Reply reply = get_object(context, target);
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json) {
        context.print_json(reply.body);
    } else {
        print_record(context, view, reply.body);
    }
    return kDone;
}

int change(Context& context, const std::string& method, const std::string& target, const Json& body,
           Describe describe) {
    Reply reply = context.api.send(method, target, body);
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json) {
        context.print_json(reply.body);
    } else if (describe) {
        context.out << printable(describe(reply.body)) << "\n";
    }
    return kDone;
}

std::string member(const std::string& collection, const std::string& name) {
    return collection + "/" + url_encode(name);
}

std::string filtered(const std::string& collection, const char* key,
                     const std::optional<std::string>& value) {
    return value ? collection + "?" + key + "=" + url_encode(*value) : collection;
}

Json body_of(const Verb& verb, const Arguments& arguments) {
    Json body = Json::object();
    for (const Option& option : verb.options) {
        auto given = arguments.options.find(option.name);
        if (given == arguments.options.end()) continue;
        std::string name(option.key);
        if (!option.repeats) {
            body[name] = value_of(option, given->second[0]);
            continue;
        }
        for (const std::string& value : given->second) {
            body[name].push_back(value_of(option, value));
        }
    }
    return body;
}

} // namespace cnet::cli
