// Outputs that cannot be written, inputs that are not there: said before any work, and nothing is left behind.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

class Output : public ::testing::Test {
 protected:
  [[nodiscard]] std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  const TemporaryFolder folder_;
  const std::string image_ = data_path("images/bar.in.png").string();
};

TEST_F(Output, FolderThatDoesNotExist) {
  expect_refusal(espalier({"generate", image_, "-o", in_folder("none/a.glb")}), 1,
                 {"none/a.glb", "does not exist", "create it"});
  expect_refusal(espalier({"generate", image_, "-o", in_folder("a.glb"), "--preview", in_folder("none/a.png")}), 1,
                 {"none/a.png"});
  expect_refusal(espalier({"generate", image_, "--save-latent", in_folder("none/a.safetensors")}), 1, {"none/a.safetensors"});
  expect_refusal(espalier({"preprocess", image_, "-o", in_folder("none/a.png")}), 1, {"none/a.png"});
  expect_empty(folder_.path());
}

TEST_F(Output, FolderThatTakesNoFiles) {
  // True for root as well, who is stopped by no permission bits.
  expect_refusal(espalier({"generate", image_, "-o", "/proc/a.glb"}), 1, {"/proc/a.glb", "another folder"});
}

TEST_F(Output, NameOfAFolderOrBehindAFile) {
  fs::create_directory(folder_ / "a.glb");
  expect_refusal(espalier({"generate", image_, "-o", in_folder("a.glb")}), 1, {"a.glb", "folder"});
  expect_refusal(espalier({"generate", image_, "-o", image_ + "/a.glb"}), 1, {"not a folder"});
}

TEST_F(Output, WhatIsThereAndMayNotBeReplaced) {
  const auto refused = [&](const std::string& name, const char* reason) {
    expect_refusal(espalier({"generate", image_, "-o", in_folder(name)}), 1, {in_folder(name), reason});
  };
  std::ofstream(folder_ / "old.glb") << "old";
  fs::permissions(folder_ / "old.glb", fs::perms::owner_read);
  fs::create_symlink("old.glb", folder_ / "link.glb");
  fs::create_symlink("/dev/null", folder_ / "device.glb");
  fs::create_symlink("round.glb", folder_ / "round.glb");
  fs::create_symlink("none/a.glb", folder_ / "dangling.glb");
  refused("old.glb", "read-only");
  refused("link.glb", "read-only");
  refused("device.glb", "no regular file");
  refused("round.glb", "circle");
  refused("dangling.glb", "does not exist");
}

TEST_F(Output, InputThatDoesNotExist) {
  expect_refusal(espalier({"generate", in_folder("none.png"), "-o", in_folder("a.glb")}), 1, {"none.png", "does not exist"});
  expect_refusal(espalier({"generate", image_, in_folder("none.png"), "--views", "-o", in_folder("a.glb")}), 1, {"none.png"});
  expect_refusal(espalier({"generate", folder_.path().string(), "-o", in_folder("a.glb")}), 1, {"folder"});
  expect_refusal(espalier({"generate", "--from-latent", in_folder("none.safetensors"), "-o", in_folder("a.glb")}), 1,
                 {"none.safetensors"});
  expect_empty(folder_.path());
}

TEST_F(Output, DeviceThatDoesNotExist) {
  expect_refusal(espalier({"generate", image_, "-o", in_folder("a.glb"), "--device", "cuda:31"}), 1, {"cuda:31"});
  expect_empty(folder_.path());
}

// A limit on the size of files stands in for a full disk: the write fails half-way.
TEST_F(Output, DiskThatIsFull) {
  const std::string file = in_folder("a.png");
  const Outcome outcome = shell("ulimit -f 8; \"$ESPALIER\" preprocess '" + image_ + "' -o '" + file + "'");
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("cannot write " + file), std::string::npos) << outcome.err;
  expect_empty(folder_.path());
}

}  // namespace
}  // namespace espalier::test
