#include "userspace/api/routes.h"

#include <gtest/gtest.h>

namespace cnet::api {
namespace {

class RoutesTest : public testing::Test {
protected:
    RoutesTest() {
        router_.add({"GET", "/v1/things", 200, {"colour"}, [](const Call& call) {
                         return Result<std::string>("all " + call.query_value("colour"));
                     }});
        router_.add({"POST", "/v1/things", 201, {}, [](const Call& call) {
                         return Result<std::string>("made " + call.body);
                     }});
        router_.add({"DELETE", "/v1/things/{name}", 200, {}, [](const Call& call) {
                         return Result<std::string>("gone " + call.name);
                     }});
        router_.add({"POST", "/v1/things/flush", 200, {}, [](const Call&) {
                         return Result<std::string>(Error(ErrorKind::kExhausted, "full"));
                     }});
    }

    Response ask(const std::string& method, const std::string& path, uid_t uid = 0,
                 std::map<std::string, std::string> query = {}) {
        return router_.handle({method, path, std::move(query), "body", uid});
    }

    Router router_;
};

TEST_F(RoutesTest, FindsTheAction) {
    EXPECT_EQ(ask("GET", "/v1/things").body, "all ");
    EXPECT_EQ(ask("POST", "/v1/things").body, "made body");
    EXPECT_EQ(ask("POST", "/v1/things").status, 201);
    EXPECT_EQ(ask("DELETE", "/v1/things/a").body, "gone a");
    EXPECT_EQ(ask("HEAD", "/v1/things").status, 200);
}

TEST_F(RoutesTest, DecodesNamesAndQueries) {
    EXPECT_EQ(ask("DELETE", "/v1/things/a%2Fb%20c").body, "gone a/b c");
    EXPECT_EQ(ask("GET", "/v1/things", 0, {{"colour", "r%65d"}}).body, "all red");
}

TEST_F(RoutesTest, RefusesWhatIsNotEncodedRight) {
    for (const char* name : {"a%00b", "a%", "a%2", "a%zz"})
        EXPECT_EQ(ask("DELETE", std::string("/v1/things/") + name).status, 400) << name;
    EXPECT_EQ(ask("GET", "/v1/things", 0, {{"colour", "%00"}}).status, 400);
}

TEST_F(RoutesTest, DoesNotKnowOtherPaths) {
    for (const char* path : {"/", "", "/v1", "/v1/thing", "/v1/things/", "/v1/things/a/b",
                             "/v2/things", "//v1/things", "/v1/things?"})
        EXPECT_EQ(ask("DELETE", path).status, 404) << path;
    EXPECT_EQ(ask("GET", "/v1/thing").body,
              R"({"error":{"kind":"not_found","message":"there is no path /v1/thing"}})");
}

TEST_F(RoutesTest, SaysWhichMethodsAPathTakes) {
    Response response = ask("PUT", "/v1/things");
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.allow, "GET, POST");
    EXPECT_EQ(response.body, R"({"error":{"kind":"invalid",)"
                             R"("message":"/v1/things takes GET, POST, not PUT"}})");
    EXPECT_EQ(ask("GET", "/v1/things/a").allow, "DELETE");
}

TEST_F(RoutesTest, LetsOthersReadAndOnlyRootChange) {
    EXPECT_EQ(ask("GET", "/v1/things", 1000).status, 200);
    EXPECT_EQ(ask("HEAD", "/v1/things", 1000).status, 200);
    EXPECT_EQ(ask("POST", "/v1/things", 1000).status, 403);
    EXPECT_EQ(ask("DELETE", "/v1/things/a", kNobody).status, 403);
    EXPECT_EQ(ask("POST", "/v1/things", 1000).body,
              R"({"error":{"kind":"denied","message":"only root (uid 0) may change anything"}})");
}

TEST_F(RoutesTest, RefusesQueriesThatNobodyReads) {
    Response response = ask("GET", "/v1/things", 0, {{"color", "red"}});
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body,
              R"({"error":{"kind":"invalid","message":"unknown query parameter \"color\""}})");
}

TEST_F(RoutesTest, TurnsErrorsIntoTheirStatus) {
    EXPECT_EQ(ask("POST", "/v1/things/flush").status, 507);
    EXPECT_EQ(error_response(Error(ErrorKind::kInvalid, "")).status, 400);
    EXPECT_EQ(error_response(Error(ErrorKind::kDenied, "")).status, 403);
    EXPECT_EQ(error_response(Error(ErrorKind::kNotFound, "")).status, 404);
    EXPECT_EQ(error_response(Error(ErrorKind::kConflict, "")).status, 409);
    EXPECT_EQ(error_response(Error(ErrorKind::kSystem, "")).status, 500);
    EXPECT_EQ(error_response(Error(ErrorKind::kSystem, "a \"b\"\n")).body,
              R"({"error":{"kind":"system","message":"a \"b\"\n"}})");
}

} // namespace
} // namespace cnet::api
