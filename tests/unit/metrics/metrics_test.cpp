#include <gtest/gtest.h>

#include <limits>

#include "userspace/metrics/histogram.h"

namespace cnet::metrics {
namespace {

using namespace std::chrono_literals;

TEST(Text, HasHelpTypeAndSamples) {
    Family family{"cnet_things_total", Type::kCounter, "Things \\ and\nlines."};
    family.add({{"kind", "a\"b\\c\nd"}, {"other", "x"}}, 3);
    family.add(1.5);
    EXPECT_EQ(to_text({family, {"cnet_none", Type::kGauge, "Nobody sees it."}}),
              "# HELP cnet_things_total Things \\\\ and\\nlines.\n"
              "# TYPE cnet_things_total counter\n"
              "cnet_things_total{kind=\"a\\\"b\\\\c\\nd\",other=\"x\"} 3\n"
              "cnet_things_total 1.5\n");
}

TEST(Text, WritesNumbersAsTheyAre) {
    Family family{"n", Type::kGauge, "h"};
    for (double value : {0.0, 123456789012.0, 1e300, std::numeric_limits<double>::infinity(), -2.0})
        family.add(value);
    const std::string text = to_text({family});
    for (const char* line :
         {"\nn 0\n", "\nn 123456789012\n", "\nn 1e+300\n", "\nn +Inf\n", "\nn -2\n"})
        EXPECT_NE(text.find(line), text.npos) << line << text;
}

TEST(Histogram, CountsUpToEachBound) {
    Histogram histogram;
    for (auto duration : {1ms, 3ms, 20000ms}) // exactly a bound, between two, above all
        histogram.observe(duration);
    Family family{"took", Type::kHistogram, "h"};
    histogram.add_to(family, {{"what", "w"}});
    const std::string text = to_text({family});
    for (const char* line :
         {"took_bucket{what=\"w\",le=\"0.0005\"} 0\n", "took_bucket{what=\"w\",le=\"0.001\"} 1\n",
          "took_bucket{what=\"w\",le=\"0.0025\"} 1\n", "took_bucket{what=\"w\",le=\"0.005\"} 2\n",
          "took_bucket{what=\"w\",le=\"10\"} 2\n", "took_bucket{what=\"w\",le=\"+Inf\"} 3\n",
          "took_count{what=\"w\"} 3\n", "took_sum{what=\"w\"} 20.004\n"})
        EXPECT_NE(text.find(line), text.npos) << line << text;
}

TEST(Histograms, AreOneALabelSet) {
    Histograms histograms;
    histograms.of({{"a", "1"}}).observe(1s);
    histograms.of({{"a", "2"}}).observe(1s);
    { const Stopwatch stopwatch(histograms.of({{"a", "1"}})); }
    Family family{"took", Type::kHistogram, "h"};
    histograms.add_to(family);
    const std::string text = to_text({family});
    EXPECT_NE(text.find("took_count{a=\"1\"} 2\n"), text.npos);
    EXPECT_NE(text.find("took_count{a=\"2\"} 1\n"), text.npos);
}

} // namespace
} // namespace cnet::metrics
