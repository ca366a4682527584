#include "io/process/child.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace espalier {
namespace {

// What a shell that runs as a child writes to the output.
std::string output_of(const std::string& script) {
  Child child({"sh", "-c", "{ " + script + "; } > " + Child::kOutputPath});
  const std::vector<std::byte> bytes = child.finish(1 << 20, nullptr);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Child, DoesNotInheritOurSettings) {
  ::setenv("ESPALIER_API_KEY", "a-key-that-is-secret", 1);
  ::setenv("ANOTHER_VARIABLE", "seen", 1);
  const std::string environment = output_of("env");
  ::unsetenv("ESPALIER_API_KEY");
  ::unsetenv("ANOTHER_VARIABLE");
  EXPECT_EQ(environment.find("ESPALIER_"), std::string::npos) << environment;
  EXPECT_EQ(environment.find("secret"), std::string::npos) << environment;
  EXPECT_NE(environment.find("ANOTHER_VARIABLE=seen"), std::string::npos) << environment;
  EXPECT_NE(environment.find("PATH="), std::string::npos) << environment;
}

}  // namespace
}  // namespace espalier
