// What makes the command pleasant at a prompt and in scripts: completion, suggestions, help, manual, standard streams.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

class Convenience : public ::testing::Test {
 protected:
  // What bash would offer for the last of the words.
  [[nodiscard]] static std::string completed(const std::string& words) {
    const Outcome outcome = shell("export ESPALIER; bash -c 'source <(\"$ESPALIER\" completion bash); COMP_WORDS=(espalier " +
                                  words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _espalier; echo \" ${COMPREPLY[*]} \"'");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }
  const TemporaryFolder folder_;
};

TEST_F(Convenience, BashCompletesCommandsOptionsAndChoices) {
  EXPECT_EQ(completed("gen"), " generate \n");
  EXPECT_EQ(completed("export --orig"), " --origin \n");
  EXPECT_EQ(completed("export --up \"\""), " auto y z \n");
  EXPECT_EQ(completed("completion z"), " zsh \n");
  EXPECT_EQ(completed("help rend"), " render \n");
  EXPECT_EQ(completed("generate --seed \"\""), "  \n") << "a number has no choices";
  write_text(folder_ / "chair.png", "");
  EXPECT_NE(completed("generate " + (folder_ / "ch").string()).find("chair.png"), std::string::npos);
}

TEST_F(Convenience, EveryShellHasEveryOption) {
  const std::string help = espalier({"export", "--help"}).out;
  ASSERT_NE(help.find("--texture-size"), std::string::npos);
  for (const char* name : {"bash", "zsh", "fish"}) {
    const Outcome script = espalier({"completion", name});
    EXPECT_EQ(script.code, 0);
    const std::string dashes = std::string(name) == "fish" ? "-l " : "--";
    for (const char* option : {"texture-size", "origin", "allow-origin", "keep-mesh"})
      EXPECT_NE(script.out.find(dashes + option), std::string::npos) << name << " lacks " << option;
    write_text(folder_ / "script", script.out);
    // Shells that are here read it without a complaint.
    const Outcome read = shell("command -v " + std::string(name) + " >/dev/null || exit 0; " + name + " -n '" +
                               (folder_ / "script").string() + "'");
    EXPECT_EQ(read.code, 0) << name << ": " << read.err;
  }
  expect_refusal(espalier({"completion", "tcsh"}), 2, {"bash, zsh, fish"});
}

TEST_F(Convenience, TyposAreAnsweredWithWhatWasMeant) {
  expect_refusal(espalier({"genrate", "a.png"}), 2, {"genrate", "did you mean generate?"});
  expect_refusal(espalier({"generate", "a.png", "--sed", "4"}), 2, {"--sed", "did you mean --seed?"});
  expect_refusal(espalier({"export", "a.safetensors", "--texture-sise=512"}), 2, {"did you mean --texture-size?"});
  const Outcome far = espalier({"frobnicate"});
  EXPECT_EQ(far.err.find("did you mean"), std::string::npos) << far.err;
}

TEST_F(Convenience, HelpDescribesACommand) {
  const Outcome help = espalier({"help", "export"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.out, espalier({"export", "--help"}).out);
  EXPECT_EQ(espalier({"help"}).out, espalier({"--help"}).out);
  expect_refusal(espalier({"help", "exprot"}), 2, {"exprot", "did you mean export?"});
}

TEST_F(Convenience, OptionsAreWrappedToTheTerminal) {
  if (shell("command -v script").code != 0) GTEST_SKIP() << "there is no script(1), which makes a terminal";
  const Outcome narrow = shell("export ESPALIER; script -qec 'stty cols 72; \"$ESPALIER\" help export' /dev/null </dev/null");
  ASSERT_EQ(narrow.code, 0) << narrow.err;
  std::istringstream lines(narrow.out);
  std::size_t longest = 0, options = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  ")) continue;  // titles
    if (line.ends_with('\r')) line.pop_back();
    longest = std::max(longest, line.size());
    ++options;
  }
  EXPECT_GT(options, 100U);
  EXPECT_LE(longest, 72U);
}

TEST_F(Convenience, TheListOfCommandsIsWrappedToo) {
  if (shell("command -v script").code != 0) GTEST_SKIP() << "there is no script(1), which makes a terminal";
  const Outcome narrow = shell("export ESPALIER; script -qec 'stty cols 60; \"$ESPALIER\" --help' /dev/null </dev/null");
  ASSERT_EQ(narrow.code, 0) << narrow.err;
  std::istringstream lines(narrow.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    EXPECT_LE(line.size(), 60U) << line;
  }
}

TEST_F(Convenience, ColoursOnATerminalUnlessTheyAreNotWanted) {
  if (shell("command -v script").code != 0) GTEST_SKIP() << "there is no script(1), which makes a terminal";
  const auto on_terminal = [](const std::string& before) {
    return shell("export ESPALIER; script -qec '" + before + " \"$ESPALIER\" check nothing.glb' /dev/null </dev/null").out;
  };
  EXPECT_NE(on_terminal("env -u NO_COLOR").find("\033[1;31mespalier:\033[0m"), std::string::npos);
  EXPECT_EQ(on_terminal("env NO_COLOR=1").find('\033'), std::string::npos);
  EXPECT_EQ(espalier({"check", "nothing.glb"}).err.find('\033'), std::string::npos);
}

TEST_F(Convenience, TheManualIsWellFormed) {
  const Outcome manual = espalier({"--dump-options", "man"});
  EXPECT_EQ(manual.code, 0);
  for (const char* word : {".TH ESPALIER 1", "\\-\\-texture\\-size", "ESPALIER_SEED", ".SH EXIT STATUS"})
    EXPECT_NE(manual.out.find(word), std::string::npos) << word;
  if (shell("command -v groff").code != 0) GTEST_SKIP() << "there is no groff to read it with";
  const Outcome read = shell("\"$ESPALIER\" --dump-options man | groff -man -Tutf8 -ww");
  EXPECT_EQ(read.code, 0);
  EXPECT_EQ(read.err, "");
  EXPECT_GT(read.out.size(), 20000U);
}

TEST_F(Convenience, AReaderThatLeavesIsNoError) {
  // Whoever reads leaves before anything is written.
  const Outcome outcome = shell("{ sleep 1; \"$ESPALIER\" --help; echo \"code $?\" >&2; } | true");
  EXPECT_EQ(outcome.err, "code 141\n");
}

TEST_F(Convenience, StandardStreamsTakeThePlaceOfFiles) {
  const std::string image = project_path("examples/02-chair.png").string();
  const std::string direct = (folder_ / "direct.png").string();
  ASSERT_EQ(espalier({"preprocess", image, "-o", direct}).code, 0);
  const Outcome piped = shell("\"$ESPALIER\" preprocess - -o - <'" + image + "' >'" + (folder_ / "piped.png").string() + "'");
  EXPECT_EQ(piped.code, 0) << piped.err;
  EXPECT_TRUE(read_text(folder_ / "piped.png") == read_text(direct)) << "the same bytes as from file to file";

  const Outcome splats = shell("\"$ESPALIER\" generate - -o -.ply --structure-steps 1 --latent-steps 1 --device cpu <'" +
                               image + "' >'" + (folder_ / "out.ply").string() + "'");
  EXPECT_EQ(splats.code, 0) << splats.err;
  EXPECT_EQ(read_text(folder_ / "out.ply").substr(0, 4), "ply\n");

  const Outcome nothing = shell("\"$ESPALIER\" preprocess - -o - </dev/null");
  EXPECT_EQ(nothing.code, 1);
  EXPECT_EQ(nothing.out, "");
  expect_refusal(shell("\"$ESPALIER\" generate - - --views -o a.glb <'" + image + "'"), 2, {"- is given twice"});
  expect_refusal(shell("\"$ESPALIER\" generate - -o - -o -.ply <'" + image + "'"), 2, {"named twice"});
  expect_refusal(shell("\"$ESPALIER\" generate - -o - --json <'" + image + "'"), 2, {"--json"});
}

}  // namespace
}  // namespace espalier::test
