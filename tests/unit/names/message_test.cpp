#include "userspace/names/message.h"

#include <gtest/gtest.h>

#include "tests/unit/names/question.h"
#include "userspace/names/connection.h"

namespace cnet::names {
namespace {

using test::question;

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

Rcode problem_of(const Bytes& packet) {
    auto query = parse_query(packet);
    return query ? query->problem : Rcode::kRefused;
}

TEST(Message, AQuestion) {
    auto query = parse_query(question("Web.Example", Type::kA));
    ASSERT_TRUE(query);
    EXPECT_EQ(query->problem, Rcode::kDone);
    EXPECT_EQ(query->name, "web.example");
    EXPECT_EQ(query->type, Type::kA);
    EXPECT_EQ(query->klass, kClassInternet);
    EXPECT_EQ(query->udp_limit(), 512u);
    EXPECT_EQ(parse_query(question("a", Type::kA, 100))->udp_limit(), 512u);
    EXPECT_EQ(parse_query(question("a", Type::kA, 800))->udp_limit(), 800u);
    EXPECT_EQ(parse_query(question("a", Type::kA, 4096))->udp_limit(), 1232u);
    EXPECT_EQ(parse_query(question("", Type::kA))->name, "");
}

// Whatever is missing of it: no answer, or one that says so; and nothing is read past the end.
TEST(Message, EveryBeginningOfAQuestion) {
    const Bytes whole = question("web.example", Type::kAaaa, 1232);
    const size_t bare = question("web.example", Type::kAaaa).size();
    for (size_t size = 0; size < whole.size(); size++) {
        const Bytes part(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
        auto query = parse_query(part);
        EXPECT_EQ(query.has_value(), size >= kHeaderSize);
        if (!query) continue;
        EXPECT_EQ(query->problem, Rcode::kFormatError);
        EXPECT_EQ(make_answer(*query, {query->problem, {}, {}}, 512).size() > kHeaderSize,
                  size >= bare);
    }
}

TEST(Message, WhatIsNoQuestion) {
    Bytes packet = question("a", Type::kA);
    auto with = [&](size_t at, uint8_t byte) {
        Bytes changed = packet;
        changed[at] = byte;
        return changed;
    };
    EXPECT_FALSE(parse_query(with(2, 0x81)));
    EXPECT_EQ(problem_of(with(2, 0x29)), Rcode::kNotImplemented);
    EXPECT_EQ(problem_of(with(5, 2)), Rcode::kFormatError);
    EXPECT_EQ(problem_of(with(7, 1)), Rcode::kFormatError);
    EXPECT_EQ(problem_of(with(12, 0xc0)), Rcode::kFormatError);
    EXPECT_EQ(problem_of(with(12, 64)), Rcode::kFormatError);
    EXPECT_EQ(problem_of(with(13, '.')), Rcode::kFormatError);
    packet = question("a", Type::kA, 512);
    EXPECT_EQ(problem_of(with(packet.size() - 5, 1)), Rcode::kBadVersion);
    packet.insert(packet.end(), {0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(problem_of(with(11, 2)), Rcode::kFormatError) << "EDNS twice";
    std::string longest;
    for (int i = 0; i < 5; i++)
        longest += std::string(63, 'a') + '.';
    EXPECT_EQ(problem_of(question(longest, Type::kA)), Rcode::kFormatError);
}

TEST(Message, AnAnswer) {
    auto query = parse_query(question("web", Type::kA));
    const Bytes expected = {0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1,  0,    0,  0, 0, 3,
                            'w',  'e',  'b',  0,    0, 1, 0, 1,  0xc0, 12, 0, 1, 0,
                            1,    0,    0,    0,    5, 0, 4, 10, 88,   0,  2};
    EXPECT_EQ(make_answer(*query, {Rcode::kDone, {ip("10.88.0.2")}, {}}, 512), expected);
    EXPECT_EQ(make_answer(*query, {Rcode::kNoSuchName, {}, {}}, 512)[3], 0x83);
}

TEST(Message, WhatDoesNotFitIsCut) {
    const std::vector<IpAddress> many(100, ip("10.88.0.2"));
    for (const auto& [edns, limit] : {std::pair{std::optional<uint16_t>(), size_t{512}},
                                      std::pair{std::optional<uint16_t>(4096), size_t{1232}}}) {
        auto query = parse_query(question("web", Type::kA, edns));
        const Bytes cut = make_answer(*query, {Rcode::kDone, many, {}}, query->udp_limit());
        EXPECT_LE(cut.size(), limit);
        EXPECT_GT(cut.size(), limit - 40);
        EXPECT_TRUE(cut[2] & 0x02);
        EXPECT_EQ(cut[11], edns ? 1 : 0);
        const Bytes relayed = relay_answer(*query, Bytes(2000, 0x81), limit);
        EXPECT_LE(relayed.size(), limit);
        EXPECT_TRUE(relayed[2] & 0x02);
    }
    auto query = parse_query(question("web", Type::kA));
    const Bytes whole = make_answer(*query, {Rcode::kDone, many, {}}, kTcpSizeMax);
    EXPECT_FALSE(whole[2] & 0x02);
    EXPECT_EQ(whole[7], 100);
}

TEST(Message, AnothersAnswerHasTheQuestionsId) {
    auto query = parse_query(question("web", Type::kA));
    Bytes answer(20, 7);
    Bytes expected = answer;
    expected[0] = 0x12;
    expected[1] = 0x34;
    EXPECT_EQ(relay_answer(*query, answer, 512), expected);
    for (size_t size : {size_t{0}, size_t{11}})
        EXPECT_EQ(relay_answer(*query, Bytes(size), 512)[3] & 0xf, 2) << "server failure";
}

TEST(Message, ReverseNames) {
    EXPECT_EQ(parse_reverse("4.3.2.1.in-addr.arpa"), ip("1.2.3.4"));
    EXPECT_EQ(
        parse_reverse("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.8.0.0.0.0.0.0.0.0.d.f.ip6.arpa"),
        ip("fd00:0:88::2"));
    for (const char* wrong :
         {"", "1", "in-addr.arpa", ".in-addr.arpa", "1.2.3.in-addr.arpa", "a.b.c.d.in-addr.arpa",
          "256.1.1.1.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "1.ip6.arpa",
          "22.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.8.0.0.0.0.0.0.0.0.df.ip6.arpa",
          "x.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.8.0.0.0.0.0.0.0.0.d.f.ip6.arpa"})
        EXPECT_FALSE(parse_reverse(wrong)) << wrong;
}

TEST(Frames, InPieces) {
    const Bytes one = {1, 2, 3}, other = {};
    Bytes stream = Frames::framed(one);
    for (const Bytes& more : {Frames::framed(other), Frames::framed(one)})
        stream.insert(stream.end(), more.begin(), more.end());
    Frames frames;
    std::vector<Bytes> seen;
    for (uint8_t byte : stream) {
        frames.add({&byte, 1});
        while (auto message = frames.next())
            seen.push_back(*message);
    }
    EXPECT_EQ(seen, (std::vector<Bytes>{one, other, one}));
}

} // namespace
} // namespace cnet::names
