#include "userspace/cluster/picture.h"

#include <gtest/gtest.h>

namespace cnet::cluster {
namespace {

etcd::KeyValue kv(const std::string& key, const std::string& value, int64_t revision) {
    return {key, value, revision, revision, 1, 0};
}
etcd::Event put(const std::string& key, const std::string& value, int64_t revision) {
    return {etcd::Event::Type::kPut, kv(key, value, revision)};
}
etcd::Event removal(const std::string& key, int64_t revision) {
    return {etcd::Event::Type::kDelete, {key, {}, 0, revision, 0, 0}};
}

const std::string kClaimKey = "/cnet/v1/addresses/4096/10.0.0.2";
const Key kClaim = AddressKey{4096, *IpAddress::parse("10.0.0.2")};

class PictureTest : public ::testing::Test {
protected:
    std::string value() const {
        const etcd::KeyValue* found = picture.find(kClaim);
        return found ? found->value : "";
    }
    Picture picture{Keys("/cnet/"), "a"};
};

TEST_F(PictureTest, EventsBringItForward) {
    picture.reset({kv(kClaimKey, "one", 5)}, 7);
    EXPECT_EQ(value(), "one");
    picture.apply({put(kClaimKey, "two", 8)}, 8);
    EXPECT_EQ(value(), "two");
    picture.apply({removal(kClaimKey, 9)}, 9);
    EXPECT_EQ(value(), "");
    EXPECT_EQ(picture.revision(), 9);
}

TEST_F(PictureTest, OldNewsDoNotUndoATransactionOfOurs) {
    picture.reset({}, 7);
    picture.note_put({kClaimKey, "ours", 0}, 10);
    picture.apply({put(kClaimKey, "theirs", 8), removal(kClaimKey, 9)}, 9);
    EXPECT_EQ(value(), "ours");
    picture.apply({put(kClaimKey, "ours", 10), put(kClaimKey, "later", 11)}, 11);
    EXPECT_EQ(value(), "later");
}

TEST_F(PictureTest, OldNewsDoNotUndoARemovalOfOurs) {
    picture.reset({kv(kClaimKey, "ours", 5)}, 7);
    picture.note_delete(kClaimKey, 10);
    picture.apply({put(kClaimKey, "again", 8)}, 8);
    EXPECT_EQ(value(), "");
    picture.apply({removal(kClaimKey, 10), put(kClaimKey, "theirs", 12)}, 12);
    EXPECT_EQ(value(), "theirs");
}

TEST_F(PictureTest, WhatAFailedTransactionReadOutranksOlderNews) {
    picture.reset({}, 7);
    picture.note_read(kv(kClaimKey, "theirs", 9));
    EXPECT_EQ(value(), "theirs");
    picture.apply({put(kClaimKey, "before", 8)}, 8);
    EXPECT_EQ(value(), "theirs");
    picture.apply({put(kClaimKey, "theirs", 9), removal(kClaimKey, 10)}, 10);
    EXPECT_EQ(value(), "");
}

TEST_F(PictureTest, AnEndpointOfAHostThatIsGoneIsNotThere) {
    const std::string endpoint = R"({"v":1,"mac":"02:00:00:00:00:01","addresses":["10.0.0.2"]})";
    picture.reset({kv("/cnet/v1/vnis/4096", "web", 1), kv("/cnet/v1/hosts/b", R"({"v":1})", 2),
                   kv("/cnet/v1/alive/b", "x", 3), kv("/cnet/v1/endpoints/4096/b/db", endpoint, 4),
                   kv("/cnet/v1/endpoints/4096/a/own", endpoint, 4)},
                  7);
    std::vector<std::string> complaints;
    ASSERT_EQ(picture.state(complaints).endpoints.size(), 1u);
    EXPECT_EQ(picture.state(complaints).endpoints[0].network, "web");
    picture.apply({removal("/cnet/v1/alive/b", 8)}, 8);
    EXPECT_TRUE(picture.state(complaints).endpoints.empty());
    ASSERT_EQ(picture.state(complaints).hosts.size(), 1u);
    EXPECT_FALSE(picture.state(complaints).hosts[0].alive);
    EXPECT_TRUE(complaints.empty());
}

TEST_F(PictureTest, RecordsThatMakeNoSenseAreToldOf) {
    picture.reset({kv("/cnet/v1/networks/web", "{}", 1), kv("/cnet/v1/hosts/b", "x", 2),
                   kv("/cnet/v1/later/thing", "?", 3)},
                  7);
    std::vector<std::string> complaints;
    EXPECT_TRUE(picture.state(complaints).networks.empty());
    EXPECT_EQ(complaints.size(), 2u);
}

TEST_F(PictureTest, AVtepOfTwoHostsIsTheFirstOnes) {
    const std::string record = R"({"v":1,"id":"x","vteps":["192.0.2.9"]})";
    picture.reset({kv("/cnet/v1/hosts/b", record, 1), kv("/cnet/v1/hosts/c", record, 2)}, 7);
    std::vector<std::string> complaints;
    const auto state = picture.state(complaints);
    ASSERT_EQ(state.hosts.size(), 2u);
    EXPECT_EQ(state.hosts[0].vteps.size(), 1u);
    EXPECT_TRUE(state.hosts[1].vteps.empty());
    ASSERT_EQ(complaints.size(), 1u);
    EXPECT_NE(complaints[0].find("b and c"), std::string::npos) << complaints[0];
}

TEST_F(PictureTest, OnlyNewsOfOurRecordsConcernUs) {
    const std::string ours = R"({"v":1,"host":"a","endpoint":"web"})";
    const std::string theirs = R"({"v":1,"host":"b","endpoint":"web"})";
    picture.reset({kv(kClaimKey, ours, 5)}, 7);
    EXPECT_TRUE(picture.concerns_us({removal(kClaimKey, 8)}));
    EXPECT_TRUE(picture.concerns_us({removal("/cnet/v1/alive/a", 8)}));
    EXPECT_FALSE(picture.concerns_us({put("/cnet/v1/addresses/4096/10.0.0.3", theirs, 8)}));
    EXPECT_FALSE(picture.concerns_us({put("/cnet/v1/networks/web", "{}", 8)}));
    picture.note_delete(kClaimKey, 9);
    EXPECT_FALSE(picture.concerns_us({removal(kClaimKey, 9)})); // heard of already
}

} // namespace
} // namespace cnet::cluster
