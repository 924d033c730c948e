#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/base/temporary.h"
#include "userspace/base/file.h"
#include "userspace/cnetd/config.h"

namespace cnet::daemon {
namespace {

std::string fault_of(const std::string& lines) {
    auto config = parse_config("[cluster]\n" + lines, "cnetd.toml");
    return config ? "" : config.error().message();
}

const std::string kEtcd = "etcd = [\"https://10.0.0.1:2379\"]\n";

TEST(ConfigCluster, IsNoneUnlessStated) {
    auto config = parse_config("", "cnetd.toml");
    ASSERT_TRUE(config);
    EXPECT_TRUE(config->cluster.etcd.endpoints.empty());
}

TEST(ConfigCluster, HasDefaults) {
    auto config = parse_config("[cluster]\n" + kEtcd, "cnetd.toml");
    ASSERT_TRUE(config) << config.error().message();
    const ClusterConfig& cluster = config->cluster;
    EXPECT_EQ(cluster.etcd.endpoints, std::vector<std::string>{"https://10.0.0.1:2379"});
    EXPECT_EQ(cluster.prefix, "/cnet/");
    EXPECT_EQ(cluster.host, "");
    EXPECT_EQ(cluster.lease_s, 30u);
    EXPECT_EQ(cluster.etcd.user, "");
}

TEST(ConfigCluster, TakesEveryKey) {
    test::TemporaryDirectory directory;
    std::string password_file = directory / "password";
    ASSERT_TRUE(write_file_atomically(password_file, "top \"secret\"\n", 0640));
    auto config = parse_config("[cluster]\n"
                               "etcd = [\"https://a.example:2379\", \"https://[fd00::1]:2379\"]\n"
                               "prefix = \"/east/cnet/\"\n"
                               "host = \"node-1.example\"\n"
                               "ca = \"/etc/cnet/ca.pem\"\n"
                               "cert = \"/etc/cnet/cert.pem\"\n"
                               "key = \"/etc/cnet/key.pem\"\n"
                               "user = \"cnet\"\n"
                               "password_file = \"" +
                                   password_file + "\"\nlease_s = 5\n",
                               "cnetd.toml");
    ASSERT_TRUE(config) << config.error().message();
    const ClusterConfig& cluster = config->cluster;
    EXPECT_EQ(cluster.etcd.endpoints.size(), 2u);
    EXPECT_EQ(cluster.prefix, "/east/cnet/");
    EXPECT_EQ(cluster.host, "node-1.example");
    EXPECT_EQ(cluster.etcd.tls.ca, "/etc/cnet/ca.pem");
    EXPECT_EQ(cluster.etcd.tls.cert, "/etc/cnet/cert.pem");
    EXPECT_EQ(cluster.etcd.tls.key, "/etc/cnet/key.pem");
    EXPECT_EQ(cluster.etcd.user, "cnet");
    EXPECT_EQ(cluster.etcd.password, "top \"secret\"");
    EXPECT_EQ(cluster.lease_s, 5u);
}

TEST(ConfigCluster, RefusesWithTheLine) {
    EXPECT_EQ(fault_of("etcd = [\n\"https://a:1\", \"a:2\"]"),
              "cnetd.toml:2: [cluster] etcd has a fault: \"a:2\" is no endpoint of etcd: "
              "http://HOST:PORT or https://HOST:PORT");
    EXPECT_EQ(fault_of(kEtcd + "\nlease_s = 4"),
              "cnetd.toml:4: [cluster] lease_s must be a whole number from 5 to 3600");
    EXPECT_EQ(fault_of(kEtcd + "password = \"x\""), "cnetd.toml:3: unknown key [cluster] password");
    EXPECT_EQ(fault_of("lease_s = 5"),
              "cnetd.toml:1: [cluster] needs etcd = [\"https://HOST:PORT\", ...]");
    EXPECT_EQ(fault_of(kEtcd + "user = \"cnet\""),
              "cnetd.toml:1: [cluster] needs user and password_file, or neither");
    EXPECT_EQ(fault_of(kEtcd + "key = \"/k\""),
              "cnetd.toml:1: [cluster] needs cert and key, or neither");
}

TEST(ConfigCluster, RefusesWhatCannotBe) {
    for (const char* wrong :
         {"etcd = []", "etcd = \"https://a:1\"", "etcd = [7]",
          "etcd = [\"https://a:1\", \"https://a:1\"]", "prefix = \"cnet/\"", "prefix = \"/cnet\"",
          "prefix = \"/\"", "prefix = \"/c net/\"", "prefix = 7", "host = \"10.0.0.1\"",
          "host = \"a b\"", "host = \"\"", "ca = \"ca.pem\"", "lease_s = 3601", "lease_s = \"30\"",
          "password_file = \"x\"", "password_file = \"/nonexistent/x\""})
        EXPECT_EQ(fault_of(wrong).rfind("cnetd.toml:2: [cluster] ", 0), 0u) << wrong;
}

TEST(ConfigCluster, WantsThePasswordKept) {
    test::TemporaryDirectory directory;
    std::string file = directory / "password";
    std::string line = kEtcd + "user = \"cnet\"\npassword_file = \"" + file + "\"";
    ASSERT_TRUE(write_file_atomically(file, "secret\n", 0644));
    EXPECT_EQ(fault_of(line), "cnetd.toml:4: [cluster] password_file names " + file +
                                  ", which must not be open to others (chmod o-rwx)");
    ASSERT_EQ(chmod(file.c_str(), 0600), 0);
    EXPECT_EQ(fault_of(line), "");
    for (const char* content : {"", "\n", "two\nlines\n"}) {
        ASSERT_TRUE(write_file_atomically(file, content, 0600));
        EXPECT_NE(fault_of(line).find("must hold the password on one line"), std::string::npos);
    }
}

} // namespace
} // namespace cnet::daemon
