#include "userspace/etcd/base64.h"

#include <gtest/gtest.h>

namespace cnet::etcd {
namespace {

TEST(Base64, KnowsTheRfcsExamples) {
    const std::pair<std::string, std::string> examples[] = {{"", ""},
                                                            {"f", "Zg=="},
                                                            {"fo", "Zm8="},
                                                            {"foo", "Zm9v"},
                                                            {"foob", "Zm9vYg=="},
                                                            {"fooba", "Zm9vYmE="},
                                                            {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : examples) {
        EXPECT_EQ(base64_encode(bytes), text);
        auto back = base64_decode(text);
        ASSERT_TRUE(back) << text;
        EXPECT_EQ(*back, bytes);
    }
}

TEST(Base64, CarriesEveryByte) {
    std::string bytes;
    for (int i = 0; i < 256; i++) {
        bytes += static_cast<char>(i);
        auto back = base64_decode(base64_encode(bytes));
        ASSERT_TRUE(back);
        EXPECT_EQ(*back, bytes);
    }
}

TEST(Base64, RefusesWhatNobodyEncodes) {
    for (const char* text : {"Zg", "Zg=", "Z===", "====", "Zm9v=", "Z=9v",
                             "Zm9v Zg==", "Zh==", "Zm9=", "Zm-_", "Zg==Zg==", "Zm9v\n"})
        EXPECT_FALSE(base64_decode(text)) << text;
}

} // namespace
} // namespace cnet::etcd
