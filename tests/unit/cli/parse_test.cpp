#include "userspace/cnet-bpf/parse.h"

#include <gtest/gtest.h>

#include <regex>

#include "userspace/base/file.h"
#include "userspace/cnet-bpf/objects.h"

namespace cnet::cli {
namespace {

using Words = std::vector<std::string>;

class Parse : public testing::Test {
protected:
    Invocation good(Words words) {
        auto invocation = parse(grammar_, std::move(words));
        EXPECT_TRUE(invocation) << invocation.error().message();
        return invocation ? *invocation : Invocation{};
    }

    // "network create": what the words mean, each by its full name.
    std::string command(Words words) {
        Invocation invocation = good(std::move(words));
        if (!invocation.object || !invocation.verb) return "";
        return std::string(invocation.object->name) + " " + std::string(invocation.verb->names[0]);
    }

    std::string error(Words words) {
        auto invocation = parse(grammar_, std::move(words));
        EXPECT_FALSE(invocation);
        return invocation ? "" : invocation.error().message();
    }

    Grammar grammar_ = whole_grammar();
};

TEST_F(Parse, KnowsEveryVerbOfTheGrammar) {
    EXPECT_EQ(command({"status"}), "status ");
    EXPECT_EQ(command({"version"}), "version ");
    EXPECT_EQ(command({"network", "create", "n"}), "network create");
    EXPECT_EQ(command({"network", "set", "n", "--mtu", "1400"}), "network set");
    EXPECT_EQ(command({"sandbox", "exec", "s", "--", "ls"}), "sandbox exec");
    EXPECT_EQ(command({"endpoint", "create", "n", "e", "--netns", "s"}), "endpoint create");
    EXPECT_EQ(command({"port", "publish", "e", "8080:80"}), "port publish");
    EXPECT_EQ(command({"uplink", "add", "up0"}), "uplink add");
    EXPECT_EQ(command({"fdb", "add", "n", "02:00:00:00:00:01", "endpoint", "e"}), "fdb add");
    EXPECT_EQ(command({"neigh", "show", "n"}), "neigh show");
    EXPECT_EQ(command({"ct", "list", "proto", "tcp"}), "ct list");
    EXPECT_EQ(command({"nat", "list"}), "nat list");
    EXPECT_EQ(command({"map", "dump", "cnet_fdb"}), "map dump");
    EXPECT_EQ(command({"prog", "list"}), "prog list");
    EXPECT_EQ(command({"drops", "reset"}), "drops reset");
}

TEST_F(Parse, TakesPrefixesThatFitOneAlone) {
    EXPECT_EQ(command({"net", "ls"}), "network list");
    EXPECT_EQ(command({"endp", "l"}), "endpoint list");
    EXPECT_EQ(command({"port", "pub", "e", "80"}), "port publish");
    EXPECT_EQ(command({"net", "del", "n"}), "network delete");
    EXPECT_EQ(command({"ct", "f"}), "ct flush");
    // "l" starts both "list" and "ls", which are one verb.
    EXPECT_EQ(command({"up", "l"}), "uplink list");
}

TEST_F(Parse, ListShowAndLsAreTheSame) {
    for (const char* object :
         {"port", "sandbox", "uplink", "fdb", "neigh", "ct", "nat", "prog", "drops"}) {
        std::string alone = command({object});
        EXPECT_EQ(command({object, "list"}), alone);
        EXPECT_EQ(command({object, "show"}), alone);
        EXPECT_EQ(command({object, "ls"}), alone);
    }
    // Where show takes a name, it does without one too.
    for (const char* object : {"network", "endpoint", "map"}) {
        EXPECT_TRUE(good({object, "show"}).arguments.positionals.empty());
        EXPECT_EQ(command({object}), std::string(object) + " list");
    }
}

TEST_F(Parse, RefusesWhatIsAmbiguousOrUnknown) {
    EXPECT_EQ(error({"n", "ls"}), "object 'n' could be any of: network, neigh, nat");
    EXPECT_EQ(error({"network", "s"}), "network: verb 's' could be any of: show, set");
    EXPECT_EQ(error({"policy", "list"}),
              "unknown object 'policy'; there are: status, version, network, sandbox, endpoint, "
              "port, uplink, peer, adopt, release, fdb, neigh, ct, nat, map, prog, drops, "
              "metrics, doctor, dump, completion, topology, explain, "
              "monitor, capture");
    EXPECT_EQ(error({"nat", "flush"}), "nat: unknown verb 'flush'; there are: list");
    EXPECT_EQ(error({""}).substr(0, 17), "unknown object ''");
}

TEST_F(Parse, TakesGlobalOptionsBeforeTheObjectAndAfterTheVerb) {
    Invocation before = good({"-js", "--root", "/r", "--color", "never", "network", "list"});
    EXPECT_TRUE(before.settings.json && before.settings.stats && !before.settings.pretty);
    EXPECT_EQ(before.settings.root, "/r");
    EXPECT_EQ(before.settings.color, ColorChoice::kNever);

    Invocation after = good({"network", "list", "-p", "--root=/r", "--color=always"});
    EXPECT_TRUE(after.settings.json && after.settings.pretty);
    EXPECT_EQ(after.settings.root, "/r");
    EXPECT_EQ(after.settings.color, ColorChoice::kAlways);

    EXPECT_TRUE(good({"network", "-j"}).settings.json);
    EXPECT_EQ(error({"--color", "blue", "status"}),
              "--color takes auto, always or never, not 'blue'");
    EXPECT_EQ(error({"--bogus", "network"}), "unknown option --bogus");
    EXPECT_EQ(error({"--root"}).substr(0, 6), "--root");
}

TEST_F(Parse, WatchTakesANumberOnlyWhenOneFollows) {
    using std::chrono::milliseconds;
    EXPECT_EQ(good({"--watch", "network", "list"}).settings.watch, milliseconds(2000));
    EXPECT_EQ(good({"--watch", "0.5", "network"}).settings.watch, milliseconds(500));
    EXPECT_EQ(good({"--watch=3", "ct"}).settings.watch, milliseconds(3000));
    EXPECT_EQ(good({"ct", "ls", "--watch", "1", "proto", "tcp"}).settings.watch,
              milliseconds(1000));
    EXPECT_FALSE(good({"network"}).settings.watch);
    EXPECT_EQ(error({"--watch", "network", "delete", "n"}), "--watch repeats lists alone");
    EXPECT_EQ(error({"--watch=0", "network"}), "--watch takes seconds, 0.1 or more, not '0'");
    EXPECT_EQ(error({"--watch=nan", "network"}), "--watch takes seconds, 0.1 or more, not 'nan'");
}

TEST_F(Parse, OptionsRepeatOnlyWhereTheyMay) {
    Invocation invocation = good({"network", "create", "--subnet", "10.1.0.0/24", "n",
                                  "--subnet=10.2.0.0/24", "--internal", "--icc", "off"});
    const Arguments& arguments = invocation.arguments;
    EXPECT_EQ(arguments.positionals, Words{"n"});
    EXPECT_EQ(arguments.options.at("--subnet"), (Words{"10.1.0.0/24", "10.2.0.0/24"}));
    EXPECT_EQ(arguments.options.at("--internal"), Words{"on"});
    EXPECT_EQ(arguments.options.at("--icc"), Words{"off"});
    EXPECT_EQ(arguments.options.count("--mtu"), 0u);

    std::string usage = " (usage: cnet-bpf network create NAME [OPTION]...)";
    EXPECT_EQ(error({"network", "create", "n", "--mtu", "1", "--mtu", "2"}),
              "--mtu is given twice" + usage);
    EXPECT_EQ(error({"network", "create", "n", "--mtu", "-5"}),
              "--mtu takes a number, not '-5'" + usage);
    EXPECT_EQ(error({"network", "create", "n", "--icc", "maybe"}),
              "--icc takes on or off, not 'maybe'" + usage);
    EXPECT_EQ(error({"network", "create", "n", "--vpn", "9"}), "unknown option --vpn" + usage);
    EXPECT_EQ(error({"network", "create"}), "NAME is missing" + usage);
    EXPECT_EQ(error({"network", "create", "a", "b"}), "unexpected 'b'" + usage);
    EXPECT_EQ(error({"network", "create", ""}), "an argument is empty" + usage);
}

TEST_F(Parse, NeedsWhatIsRequired) {
    EXPECT_EQ(error({"endpoint", "create", "n", "e"}),
              "--netns NAME|PATH is missing (usage: cnet-bpf endpoint create NETWORK NAME "
              "[OPTION]...)");
}

TEST_F(Parse, ValuesMayLookLikeAnything) {
    EXPECT_EQ(
        good({"network", "create", "n", "--subnet", "[a,b]"}).arguments.options.at("--subnet"),
        Words{"[a,b]"});
    EXPECT_EQ(good({"port", "publish", "e", "[::1]:8080:80/tcp"}).arguments.positionals,
              (Words{"e", "[::1]:8080:80/tcp"}));
    EXPECT_EQ(good({"network", "delete", "--", "-j"}).arguments.positionals, Words{"-j"});
}

TEST_F(Parse, LeavesTheCommandOfExecAlone) {
    Arguments arguments =
        good({"sandbox", "exec", "s", "--", "sh", "-c", "x [a]", "--", "-j"}).arguments;
    EXPECT_EQ(arguments.positionals, Words{"s"});
    EXPECT_EQ(arguments.command, (Words{"sh", "-c", "x [a]", "--", "-j"}));
    std::string usage = " (usage: cnet-bpf sandbox exec NAME -- COMMAND [ARGUMENT]...)";
    EXPECT_EQ(error({"sandbox", "exec", "s"}), "the command is missing: put it after '--'" + usage);
    EXPECT_EQ(error({"sandbox", "exec", "s", "ls"}), "unexpected 'ls'" + usage);
}

TEST_F(Parse, TheVersionIsAnOptionToo) {
    for (const char* option : {"-V", "--version"}) {
        Invocation asked = good({"-j", option});
        EXPECT_TRUE(asked.object && asked.object->name == "version" && asked.settings.json);
    }
    EXPECT_NE(error({"network", "list", "--version"}).find("unknown"), std::string::npos);
}

TEST_F(Parse, HelpIsThereForEveryCommand) {
    EXPECT_TRUE(good({"--help"}).help);
    EXPECT_TRUE(good({"help"}).help);
    Invocation object = good({"network", "--help"});
    EXPECT_TRUE(object.help && object.object && !object.verb);
    for (const Object& each : grammar_) {
        EXPECT_FALSE(help_text(each).empty());
        for (const Verb& verb : each.verbs) {
            Words words{std::string(each.name)};
            if (!each.is_command()) words.emplace_back(verb.names[0]);
            words.push_back("--help");
            Invocation invocation = good(words);
            EXPECT_TRUE(invocation.help);
            EXPECT_EQ(invocation.verb, &verb);
            EXPECT_NE(help_text(each, verb).find(usage_line(each, verb)), std::string::npos);
        }
    }
}

TEST_F(Parse, EveryCommandIsInTheManual) {
    for (const char* file : {"/docs/cli.md", "/docs/man/cnet-bpf.8.scd"}) {
        auto text = read_file(std::string(CNET_SOURCE_DIR) + file);
        ASSERT_TRUE(text) << text.error().message();
        auto says = [&](std::string_view word) {
            return std::regex_search(*text, std::regex("\\W" + std::string(word) + "\\W"));
        };
        for (const Object& object : grammar_) {
            if (object.hidden) continue;
            EXPECT_TRUE(says(object.name)) << file << " lacks " << object.name;
            for (const Verb& verb : object.verbs) {
                EXPECT_TRUE(says(verb.names[0])) << file << " lacks " << verb.names[0];
                for (const Option& option : verb.options) {
                    EXPECT_TRUE(says(option.name)) << file << " lacks " << option.name;
                }
            }
        }
    }
}

} // namespace
} // namespace cnet::cli
