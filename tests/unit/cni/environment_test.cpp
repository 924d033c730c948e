#include "userspace/cni/environment.h"

#include <gtest/gtest.h>

#include "userspace/base/names.h"
#include "userspace/cni/names.h"

namespace cnet::cni {
namespace {

Environment whole(const std::string& verb) {
    return {verb, "0c1172003d79", "/run/netns/x", "eth0", "", "/usr/lib/cni", ""};
}

TEST(Environment, EachVerbNeedsItsOwn) {
    for (const char* verb : {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"})
        EXPECT_TRUE(check_environment(whole(verb))) << verb;
    Environment without = whole("ADD");
    without.netns.clear();
    without.ifname.clear();
    auto checked = check_environment(without);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.fault().code, Code::kEnvironment);
    EXPECT_EQ(checked.fault().message, "required env variables [CNI_NETNS,CNI_IFNAME] missing");
    without.command = "GC";
    EXPECT_TRUE(check_environment(without));
    Environment gone = whole("DEL");
    gone.netns.clear();
    EXPECT_TRUE(check_environment(gone)) << "the namespace may be no more";
    EXPECT_FALSE(check_environment(whole("")));
    EXPECT_FALSE(check_environment(whole("add")));
}

TEST(Environment, NamesThatAreNone) {
    for (const char* id : {"-a", "a/b", "a b", "\xc3\xa4"}) {
        Environment environment = whole("ADD");
        environment.container_id = id;
        EXPECT_FALSE(check_environment(environment)) << id;
    }
    for (const char* ifname : {"..", "a/b", "sixteencharacters"}) {
        Environment environment = whole("DEL");
        environment.ifname = ifname;
        EXPECT_FALSE(check_environment(environment)) << ifname;
    }
}

TEST(Arguments, KnownOnes) {
    auto arguments =
        parse_arguments("IgnoreUnknown=1;K8S_POD_NAME=pc1;MAC=02:00:00:00:00:01;IP=10.77.0.5;");
    ASSERT_TRUE(arguments);
    EXPECT_EQ(arguments->ips, std::vector<std::string>{"10.77.0.5"});
    EXPECT_EQ(arguments->mac, "02:00:00:00:00:01");
    EXPECT_TRUE(parse_arguments(""));
    EXPECT_FALSE(parse_arguments("IP=;MAC=")->mac);
}

TEST(Arguments, UnknownOnesNeedLeave) {
    EXPECT_FALSE(parse_arguments("COLOUR=red"));
    EXPECT_FALSE(parse_arguments("IgnoreUnknown=0;COLOUR=red"));
    EXPECT_TRUE(parse_arguments("COLOUR=red;IgnoreUnknown=true"));
    EXPECT_FALSE(parse_arguments("IgnoreUnknown"));
}

TEST(Names, AreNamesOfEndpointsAndDiffer) {
    const std::string id(64, 'f');
    const std::string name = endpoint_name("net", id, "a@b:c");
    EXPECT_TRUE(valid_name(name)) << name;
    EXPECT_TRUE(valid_name(endpoint_name(std::string(200, 'n'), id, "fifteen@letters")));
    EXPECT_TRUE(name.starts_with(names_of("net"))) << name;
    EXPECT_NE(name, endpoint_name("net", id + "f", "a@b:c"));
    EXPECT_NE(name, endpoint_name("net", id, "a@b;c"));
    EXPECT_NE(name, endpoint_name("ten", id, "a@b:c"));
}

} // namespace
} // namespace cnet::cni
