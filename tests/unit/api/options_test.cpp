// The option table: rows that agree with themselves and with each other, values in and out, requests held to it.
#include "espalier/options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "api/option_checks.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::expect_error;

constexpr unsigned kCommands = use_jobs - 1U;
constexpr unsigned kJson = use_jobs | use_exports | use_turntables;

const Option& row_of(const std::string& name, unsigned use) {
  for (const Option& row : option_table()) {
    if (row.name == name && row.is_for(use)) return row;
  }
  throw std::invalid_argument(name);
}

TEST(OptionTable, NamesAreUniqueWhereTheyAreUsed) {
  for (unsigned bit = 0; bit < 31; ++bit) {
    const unsigned use = 1U << bit;
    std::set<std::string> names;
    std::set<std::string> variables;
    for (const Option& row : option_table()) {
      if (!row.is_for(use)) continue;
      EXPECT_TRUE(names.insert((use & kJson) != 0 ? row.json() : row.flags()).second) << row.name;
      for (const std::string& old : row.extras.old) EXPECT_TRUE(names.insert("--" + old).second) << old;
      if ((use & kCommands) == 0 || row.variable().empty()) continue;
      EXPECT_TRUE(variables.insert(row.variable()).second) << row.variable();
      // rembg's own variable names the folder of its networks for both programs.
      const bool shared = row.variable() == "U2NET_HOME";
      EXPECT_TRUE(row.variable().starts_with("ESPALIER_") || row.extras.only_variable || shared) << row.variable();
    }
  }
}

TEST(OptionTable, RowsAreWhole) {
  for (const Option& row : option_table()) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos);
    EXPECT_FALSE(row.help.empty());
    EXPECT_TRUE(row.help.ends_with('.'));
    EXPECT_TRUE(row.is_for(kCommands | kJson));
    EXPECT_EQ(row.field.meta.empty(), row.field.type == OptionType::flag);
    EXPECT_LE(row.field.low, row.field.high);
    const bool choice = row.field.type == OptionType::choice || row.field.type == OptionType::choices;
    EXPECT_EQ(row.field.choices.empty(), !choice);
    const std::set<std::string> different(row.field.choices.begin(), row.field.choices.end());
    EXPECT_EQ(different.size(), row.field.choices.size());
    if (row.flags().starts_with("--no-") && !row.name.starts_with("no-")) {
      EXPECT_FALSE(row.extras.without.empty());
    }
  }
}

// What a field holds can be set again, and the initial value of what has one is in its range.
TEST(OptionTable, InitialValuesAreAccepted) {
  const Options initial;
  for (const Option& row : option_table()) {
    SCOPED_TRACE(row.name);
    const OptionValue value = row.field.get(initial);
    Options options;
    const bool empty = std::holds_alternative<std::string>(value) && std::get<std::string>(value).empty();
    const bool none = row.name == "decode" || row.name == "vram-limit";  // chosen by the program
    const bool may_be_empty = row.name == "name" || row.name == "prompt" || row.name == "negative-prompt" ||
                              row.name == "region" || row.name == "webhook" || row.name == "priority" ||
                              (row.name == "model" && row.is_for(use_jobs));
    EXPECT_EQ(row.field.set(options, value), may_be_empty || (!empty && !none));
    EXPECT_EQ(row.field.get(options), value);
  }
}

TEST(OptionTable, RangesEndWhereTheySay) {
  for (const Option& row : option_table()) {
    if (row.field.type != OptionType::whole && row.field.type != OptionType::number) continue;
    SCOPED_TRACE(row.name);
    const bool whole = row.field.type == OptionType::whole;
    const auto takes = [&](double number) {
      Options options;
      return row.field.set(options, whole ? OptionValue(static_cast<std::int64_t>(number)) : OptionValue(number));
    };
    EXPECT_TRUE(takes(row.field.low));
    EXPECT_TRUE(takes(row.field.high));
    const double step = whole ? 1.0 : 1e-9;
    EXPECT_FALSE(takes(row.field.low - step));
    EXPECT_FALSE(takes(row.field.high * (1.0 + 1e-12) + step));
    Options options;
    EXPECT_FALSE(row.field.set(options, std::nan("")));
    EXPECT_FALSE(row.field.set(options, std::numeric_limits<double>::infinity()));
    EXPECT_FALSE(row.field.set(options, std::string("1")));
    EXPECT_FALSE(row.field.set(options, true));
    if (whole) {
      EXPECT_FALSE(row.field.set(options, row.field.low + 0.5));
    }
  }
}

TEST(OptionTable, EveryChoiceCanBeMadeAndReadBack) {
  std::vector<std::string> notices;
  for (const Option& row : option_table()) {
    for (const std::string& choice : row.field.choices) {
      SCOPED_TRACE(row.name + " " + choice);
      Options options;
      if (row.is_for(kCommands)) {
        row.set_text(options, choice, notices);
      } else {
        const bool list = row.field.type == OptionType::choices;
        ASSERT_TRUE(row.field.set(options, list ? OptionValue(std::vector{choice}) : OptionValue(choice)));
      }
      const OptionValue value = row.field.get(options);
      const auto* const one = std::get_if<std::string>(&value);
      EXPECT_EQ(one != nullptr ? *one : std::get<std::vector<std::string>>(value).at(0), choice);
      EXPECT_EQ(renamed_value(row, choice), std::nullopt);
    }
  }
  EXPECT_TRUE(notices.empty());
}

TEST(OptionTable, EnumeratorsHaveTheirNames) {
  EXPECT_EQ(name_of(RenderStyle::automatic), "auto");
  EXPECT_EQ(name_of(RenderStyle::uv_checker), "uv-checker");
  EXPECT_EQ(name_of(RenderStyle::radiance_field), "radiance-field");
  EXPECT_EQ(name_of(Background::none), "none");
  EXPECT_EQ(name_of(MemoryTier::low), "low");
  EXPECT_EQ(name_of(Precision::half), "half");
  EXPECT_EQ(name_of(MultiImageMode::multidiffusion), "multidiffusion");
  EXPECT_EQ(name_of(BakeMode::best), "best");
  EXPECT_EQ(name_of(TextureFormat::webp), "webp");
  EXPECT_EQ(name_of(VideoFormat::webp), "webp");
  expect_error(ErrorCode::invalid_argument, {"77"}, [] { (void)name_of(static_cast<RenderStyle>(77)); });
}

TEST(OptionTable, OldNamesOfValuesBecomePresentOnes) {
  std::vector<std::string> notices;
  Options options;
  row_of("decode", use_generate).set_text(options, "gaussian,radiance_field", notices);
  EXPECT_TRUE(options.decode.gaussians && options.decode.radiance_field && !options.decode.mesh);
  row_of("style", use_render).set_text(options, "uv_checker", notices);
  EXPECT_EQ(options.look.style, RenderStyle::uv_checker);
  EXPECT_EQ(notices.size(), 3U);
  EXPECT_EQ(renamed_value(row_of("bake", use_generate), "automatic"), std::nullopt);  // it has no auto
}

TEST(OptionTable, ValuesOfOwnForms) {
  std::vector<std::string> notices;
  Options o;
  const auto set = [&](const char* name, unsigned use, const char* text) { row_of(name, use).set_text(o, text, notices); };
  set("size", use_generate, "8cm");
  EXPECT_EQ(o.save.size_mm, 80.0);
  set("vram-limit", use_generate, "1.5g");
  EXPECT_EQ(o.vram_limit, 1610612736U);
  set("vram-limit", use_generate, "2097152");
  EXPECT_EQ(o.vram_limit, 2097152U);
  set("max-upload", use_serve, "0.5");
  EXPECT_EQ(o.serve.max_upload_bytes, 524288U);
  set("max-upload", use_serve, "2g");
  EXPECT_EQ(o.serve.max_upload_bytes, std::uint64_t{2} << 30U);
  set("background", use_render, "#ff0080");
  ASSERT_TRUE(o.look.background);
  EXPECT_EQ((*o.look.background)[0], 1.0);
  EXPECT_EQ((*o.look.background)[2], 128.0 / 255.0);
  set("background", use_render, "transparent");
  EXPECT_FALSE(o.look.background);
  set("view", use_render, "10,20");
  set("view", use_render, "-30,-90");
  ASSERT_EQ(o.views.size(), 2U);
  EXPECT_EQ(o.views[1].pitch, -90.0);
  set("background", use_generate, "alpha,none");
  EXPECT_EQ(o.background, (std::vector{Background::alpha, Background::none}));
  set("structure-interval", use_generate, "0.25,1");
  EXPECT_EQ(o.structure.interval, (std::array{0.25, 1.0}));
  row_of("clean", use_generate).set_text(o, std::nullopt, notices);
  EXPECT_FALSE(o.finish.clean);
  EXPECT_EQ(row_of("clean", use_generate).flags(), "--no-clean");
  EXPECT_EQ(row_of("clean", use_generate).variable(), "ESPALIER_NO_CLEAN");
  EXPECT_EQ(row_of("clean", use_jobs).json(), "clean");
  EXPECT_TRUE(notices.empty());
  for (int i = 2; i < 64; ++i) set("view", use_render, "0,0");
  expect_error(ErrorCode::invalid_argument, {"64"}, [&] { set("view", use_render, "0,0"); });
}

// Whatever is typed either sets a value that reads back, or is refused with the text in the message.
TEST(OptionTable, AnyTextIsTakenOrRefused) {
  const std::vector<std::string> pieces{"0",
                                        "1",
                                        "9",
                                        "-",
                                        ".",
                                        ",",
                                        "e",
                                        "e999",
                                        "nan",
                                        "inf",
                                        "auto",
                                        "mesh",
                                        "cuda:",
                                        "#",
                                        "0x",
                                        "g",
                                        "cm",
                                        "https://",
                                        "/",
                                        " ",
                                        "\n",
                                        "\xff",
                                        std::string(1, '\0'),
                                        "99999999999999999999"};
  std::mt19937 random(7);
  int taken = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (unsigned n = random() % 5; n > 0; --n) text += pieces[random() % pieces.size()];
    for (const Option& row : option_table()) {
      if (row.field.type == OptionType::flag) continue;
      Options options;
      std::vector<std::string> notices;
      try {
        row.set_text(options, text, notices);
        Options again;
        EXPECT_TRUE(row.field.set(again, row.field.get(options))) << row.name << ": " << text;
        ++taken;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      }
    }
  }
  EXPECT_GT(taken, 1000);
}

TEST(OptionChecks, RequestsAreHeldToTheTable) {
  const auto refused = [](const char* name, const auto& check) {
    expect_error(ErrorCode::invalid_argument, {name, "must be"}, check);
  };
  check_finish_request({});
  refused("simplify", [] { check_finish_request({.simplify = 1.0}); });
  refused("simplify", [] { check_finish_request({.simplify = std::nan("")}); });
  refused("faces", [] { check_finish_request({.faces = 3}); });
  refused("texture-size", [] { check_finish_request({.texture_size = 4097}); });
  refused("bake-views", [] { check_finish_request({.views = 0}); });
  refused("bake-view-size", [] { check_finish_request({.view_size = 63}); });
  refused("bake", [] { check_finish_request({.bake = static_cast<BakeMode>(9)}); });
  const std::array from{Viewpoint{}};
  check_views({}, from);
  refused("size", [&] { check_views({.size = 15}, from); });
  refused("view", [] { check_views({}, std::vector<Viewpoint>(65)); });
  expect_error(ErrorCode::invalid_argument, {"no view"}, [] { check_views({}, {}); });
  check_turntable({});
  refused("fps", [] { check_turntable({.frames_per_second = 61}); });
  refused("seconds", [] { check_turntable({.seconds = 0.0}); });
  check_sheet({});
  refused("sheet-views", [] { check_sheet({.views = 65}); });
  check_bench({});
  refused("repetitions", [] { check_bench({.repetitions = 0}); });
  refused("voxels", [] { check_bench({.voxels = "1k"}); });
  check_sampling({});
  refused("structure-steps", [] { check_sampling({.structure = {.steps = 0}}); });
  refused("latent-guidance", [] { check_sampling({.latent = {.guidance = -1.0}}); });
  refused("latent-interval", [] { check_sampling({.latent = {.interval = std::array{0.7, 0.5}}}); });
  refused("multi-image", [] { check_sampling({.multi_image = static_cast<MultiImageMode>(5)}); });
}

}  // namespace
}  // namespace espalier
