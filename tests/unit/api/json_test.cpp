#include "userspace/api/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cnet::api {
namespace {

std::string fault_of(const char* text) {
    auto object = parse_object(text);
    return object ? "" : object.error().message();
}

TEST(ParseObject, TakesAnObject) {
    auto object = parse_object(R"({"a": 1, "b": {"a": [2]}})");
    ASSERT_TRUE(object);
    EXPECT_EQ(to_text(*object), R"({"a":1,"b":{"a":[2]}})");
}

TEST(ParseObject, SaysWhatIsWrongInOneSentence) {
    EXPECT_EQ(fault_of(""), "the request needs a JSON object as its body");
    EXPECT_EQ(fault_of(" \r\n"), "the request needs a JSON object as its body");
    EXPECT_EQ(fault_of("{\"a\": }"), "the request's body is not valid JSON (near byte 7)");
    EXPECT_EQ(fault_of("{\"a\": 1} x"), "the request's body is not valid JSON (near byte 10)");
    EXPECT_EQ(fault_of("[1]"), "the request's body must be a JSON object");
    EXPECT_EQ(fault_of("null"), "the request's body must be a JSON object");
    EXPECT_EQ(fault_of("{\"a\": 1, \"a\": 2}"), "key \"a\" is given twice");
    EXPECT_EQ(fault_of("{\"a\": \"\xff\"}"), "the request's body is not valid JSON (near byte 8)");
    EXPECT_EQ(fault_of("{\"a\": 1e999}"), "the request's body is not valid JSON");
}

TEST(ParseObject, SurvivesDeepNesting) {
    EXPECT_NE(fault_of(std::string(1u << 20, '[').c_str()), "");
    std::string closed = "{\"a\":" + std::string(400'000, '[') + std::string(400'000, ']') + "}";
    EXPECT_TRUE(parse_object(closed));
}

TEST(ToText, ReplacesWhatIsNotUtf8) {
    EXPECT_EQ(to_text(Json("a\xff")), "\"a\xef\xbf\xbd\"");
}

class ObjectReaderTest : public testing::Test {
protected:
    // What finish() says after `out` was read from key "k" of `text`.
    template <typename T> std::string read(const char* text, T& out) {
        auto object = parse_object(text);
        EXPECT_TRUE(object) << object.error().message();
        ObjectReader reader(*object);
        reader.read("k", out);
        Status status = reader.finish();
        return status ? "" : status.error().message();
    }
};

TEST_F(ObjectReaderTest, ReadsEveryType) {
    bool flag = false;
    EXPECT_EQ(read(R"({"k": true})", flag), "");
    EXPECT_TRUE(flag);
    uint16_t small = 0;
    EXPECT_EQ(read(R"({"k": 65535})", small), "");
    EXPECT_EQ(small, 65535);
    uint32_t number = 0;
    EXPECT_EQ(read(R"({"k": 4294967295})", number), "");
    EXPECT_EQ(number, 4294967295u);
    std::string text;
    EXPECT_EQ(read(R"({"k": "x"})", text), "");
    EXPECT_EQ(text, "x");
    IpAddress address;
    EXPECT_EQ(read(R"({"k": "10.0.0.1"})", address), "");
    EXPECT_EQ(address.to_string(), "10.0.0.1");
    MacAddress mac;
    EXPECT_EQ(read(R"({"k": "02:00:00:00:00:01"})", mac), "");
    EXPECT_EQ(mac.to_string(), "02:00:00:00:00:01");
    std::vector<IpPrefix> prefixes;
    EXPECT_EQ(read(R"({"k": ["10.0.0.0/24", "fd00::/64"]})", prefixes), "");
    EXPECT_EQ(prefixes.size(), 2u);
    std::vector<IpAddress> addresses = {address};
    EXPECT_EQ(read(R"({"k": []})", addresses), "");
    EXPECT_TRUE(addresses.empty());
}

TEST_F(ObjectReaderTest, LeavesWhatIsAbsent) {
    uint32_t number = 7;
    EXPECT_EQ(read("{}", number), "");
    EXPECT_EQ(number, 7u);
}

TEST_F(ObjectReaderTest, NamesTheKeyOfAWrongType) {
    bool flag = false;
    EXPECT_EQ(read(R"({"k": 1})", flag), "k must be true or false");
    EXPECT_EQ(read(R"({"k": null})", flag), "k must be true or false");
    uint16_t small = 0;
    EXPECT_EQ(read(R"({"k": 65536})", small), "k must be a whole number from 0 to 65535");
    uint32_t number = 0;
    EXPECT_EQ(read(R"({"k": "1500"})", number), "k must be a number");
    EXPECT_EQ(read(R"({"k": -1})", number), "k must be a whole number from 0 to 4294967295");
    EXPECT_EQ(read(R"({"k": 1.5})", number), "k must be a whole number from 0 to 4294967295");
    EXPECT_EQ(read(R"({"k": 1e300})", number), "k must be a whole number from 0 to 4294967295");
    std::string text;
    EXPECT_EQ(read(R"({"k": ["x"]})", text), "k must be a string");
    EXPECT_EQ(read(R"({"k": "a\u0000b"})", text), "k contains a NUL character");
    std::vector<IpPrefix> prefixes;
    EXPECT_EQ(read(R"({"k": "10.0.0.0/24"})", prefixes), "k must be a list of strings");
    EXPECT_EQ(read(R"({"k": ["10.0.0.0/24", 1]})", prefixes), "k must be a list of strings");
    EXPECT_EQ(read(R"({"k": ["10.0.0.0/24", "x"]})", prefixes).rfind("k: ", 0), 0u);
    EXPECT_TRUE(prefixes.empty());
    IpAddress address;
    EXPECT_EQ(read(R"({"k": "10.0.0.256"})", address).rfind("k: ", 0), 0u);
}

TEST_F(ObjectReaderTest, RefusesUnknownKeysByName) {
    uint32_t number = 0;
    EXPECT_EQ(read(R"({"k": 1, "mtuu": 2})", number), "unknown key \"mtuu\"");
}

TEST_F(ObjectReaderTest, KeepsTheFirstFault) {
    auto object = parse_object(R"({"a": "x", "b": "y", "c": 1})");
    ObjectReader reader(*object);
    uint32_t number = 0;
    reader.read("a", number);
    reader.read("b", number);
    EXPECT_EQ(reader.finish().error().message(), "a must be a number");
}

TEST_F(ObjectReaderTest, TellsRequiredOptionalAndNullApart) {
    auto object = parse_object(R"({"none": null, "some": 5})");
    ObjectReader reader(*object);
    std::optional<uint32_t> absent, some, none = 1;
    reader.read_optional("absent", absent);
    reader.read_optional("some", some);
    reader.read_nullable("none", none);
    EXPECT_TRUE(reader.finish());
    EXPECT_FALSE(absent);
    EXPECT_EQ(some, 5u);
    EXPECT_FALSE(none);
    uint32_t missing = 0;
    reader.read_required("missing", missing);
    EXPECT_EQ(reader.finish().error().message(), "missing is missing");
}

} // namespace
} // namespace cnet::api
