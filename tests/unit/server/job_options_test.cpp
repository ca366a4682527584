#include "job_options.h"

#include <gtest/gtest.h>

#include <random>

namespace espalier::server {
namespace {

TEST(GenerateOptions, WhatIsWrittenIsReadBack) {
  const Options options = parse_generate_options(
      R"({"name": "a\u0007b", "seed": 4294967295, "preset": "app", "structure": {"steps": 5, "interval": [0.25, 1]},
          "latent": {"guidance": 0.1, "rescale_t": null}, "multi_image": "multidiffusion", "background": "alpha", "clean": false,
          "fill_holes": false, "faces": 1000, "texture_size": 2048, "bake": "fast", "project_image": true, "views": true,
          "formats": ["3mf", "ply", "glb"], "size_mm": 55.5, "unlit": true, "texture_format": "webp"})");
  EXPECT_EQ(options.name, "ab");
  EXPECT_EQ(options.seed, 4294967295U);
  EXPECT_EQ(options.structure.steps, 5);
  EXPECT_EQ(options.structure.guidance, 7.5);  // of the preset
  EXPECT_EQ(options.latent.guidance, 0.1);
  EXPECT_EQ(options.finish.faces, 1000);
  EXPECT_TRUE(options.finish.project_image);
  for (const JobKind kind : {JobKind::image, JobKind::variant, JobKind::edit}) {
    const Json json = to_json(options, kind);
    EXPECT_EQ(to_json(parse_generate_options(text_of(json)), kind), json);
    const Json least = to_json(parse_generate_options("{}"), kind);
    EXPECT_EQ(to_json(parse_generate_options(text_of(least)), kind), least);
    EXPECT_EQ(json.contains("rim"), kind == JobKind::edit);
    EXPECT_EQ(json.contains("keep_mesh"), kind == JobKind::variant);
  }
  const Json exported = to_json(parse_export_options("{}", options));
  EXPECT_EQ(to_json(parse_export_options(text_of(exported), Options())), exported);
}

TEST(GenerateOptions, OneBackgroundForAllImagesOrOneForEach) {
  const auto read = [](const char* text) { return parse_generate_options(text).background; };
  EXPECT_EQ(read("{}"), std::vector{Background::automatic});
  EXPECT_EQ(read(R"({"background": "none"})"), std::vector{Background::none});
  const std::vector<Background> each{Background::alpha, Background::none, Background::automatic};
  const Options options = parse_generate_options(R"({"background": ["alpha", "none", "auto"]})");
  EXPECT_EQ(options.background, each);
  EXPECT_EQ(to_json(options, JobKind::image).at("background"), Json::parse(R"(["alpha", "none", "auto"])"));
  for (const char* text : {R"({"background": []})", R"({"background": "white"})", R"({"background": ["alpha", 1]})",
                           R"({"background": [["alpha"]]})", R"({"background": {}})"}) {
    EXPECT_THROW((void)parse_generate_options(text), HttpError) << text;
  }
}

TEST(GenerateOptions, SeedsAreDrawnWhenNoneIsGiven) {
  const std::uint32_t first = parse_generate_options("").seed;
  bool differs = false;
  for (int i = 0; i < 8 && !differs; ++i) differs = parse_generate_options(R"({"seed": null})").seed != first;
  EXPECT_TRUE(differs);
}

TEST(FinishOptions, NobodyWaitsForATextureThatNoFileHolds) {
  const auto texture = [](const char* text) {
    const auto request = finish_request_of(parse_generate_options(text));
    return request ? request->texture ? 2 : 1 : 0;
  };
  EXPECT_EQ(texture("{}"), 2);
  EXPECT_EQ(texture(R"({"formats": ["stl", "mesh.ply"]})"), 1);
  EXPECT_EQ(texture(R"({"formats": ["ply", "spz"]})"), 0);
  EXPECT_EQ(texture(R"({"raw_mesh": true})"), 0);
  EXPECT_EQ(texture(R"({"texture": false})"), 1);
}

TEST(GenerateOptions, WhatHasNoEffectIsRefusedWithAHint) {
  const auto refusal = [](const char* text) {
    try {
      (void)parse_generate_options(text);
    } catch (const HttpError& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  EXPECT_NE(refusal(R"({"raw_mesh": true, "watertight": true})").find("raw_mesh and watertight cannot go together"),
            std::string::npos);
  for (const char* text :
       {R"({"faces": 500, "simplify": 0.5})", R"({"texture": false, "texture_size": 2048})",
        R"({"compress": "draco", "formats": ["fbx"]})", R"({"texture_format": "webp", "formats": ["obj.zip"]})",
        R"({"texture_format": "jpeg", "formats": ["stl"]})", R"({"min_wall_mm": 2})", R"({"multi_image": "multidiffusion"})",
        R"({"prompt": "a chair", "background": "none"})", R"({"height_m": 1.5, "size_mm": 80, "formats": ["stl"]})",
        R"({"size_mm": 80})"}) {
    EXPECT_NE(refusal(text), "taken") << text;
    EXPECT_NO_THROW((void)parse_generate_options(text, Spelling::any)) << "a stored job has been taken before: " << text;
  }
  // Defaults that are spelled out mean what they mean when they are left out.
  for (const char* text : {R"({"faces": 500, "simplify": 0.95})", R"({"texture": false, "texture_size": 1024})",
                           R"({"compress": "none", "formats": ["fbx"]})", R"({"size_mm": 80, "formats": ["glb", "stl"]})"}) {
    EXPECT_EQ(refusal(text), "taken") << text;
  }
}

TEST(ExportOptions, WhatIsGivenReplacesWhatContradictsIt) {
  Options parent;
  parent.finish.watertight = true;
  parent.finish.min_wall_mm = 2;
  parent.finish.faces = 700;
  const Options raw = parse_export_options(R"({"raw_mesh": true})", parent).values;
  EXPECT_TRUE(raw.raw_mesh);
  EXPECT_FALSE(raw.finish.watertight);
  EXPECT_EQ(raw.finish.min_wall_mm, 0);
  const Options share = parse_export_options(R"({"simplify": 0.5})", parent).values;
  EXPECT_EQ(share.finish.faces, std::nullopt);
  EXPECT_EQ(parse_export_options(R"({"watertight": false})", parent).values.finish.min_wall_mm, 0);
  parent.save.compress = MeshCompression::draco;
  EXPECT_NO_THROW((void)parse_export_options(R"({"formats": ["fbx"]})", parent)) << "inherited, not asked for";
}

TEST(ExportOptions, WhatIsAbsentHoldsAsBefore) {
  Options parent;
  parent.finish.faces = 77;
  parent.formats = {"stl"};
  EXPECT_EQ(parse_export_options("{}", parent).values.finish.faces, 77);
  const ExportOptions other = parse_export_options(R"({"faces": 99, "formats": ["glb"]})", parent);
  EXPECT_EQ(other.values.finish.faces, 99);
  EXPECT_EQ(other.values.formats, std::vector<std::string>{"glb"});
  EXPECT_FALSE(other.turntable);
  EXPECT_EQ(parse_export_options(R"({"faces": null})", parent).values.finish.faces, std::nullopt);  // by share again
  const ExportOptions turning = parse_export_options(R"({"turntable": {"format": "webp", "style": "uv-checker"}})", parent);
  EXPECT_TRUE(turning.turntable);
  EXPECT_EQ(turning.values.video.format, VideoFormat::webp);
  EXPECT_EQ(turning.values.video.style, RenderStyle::uv_checker);
  EXPECT_EQ(to_json(turning), Json::parse(R"({"name": "", "turntable": {"format": "webp", "style": "uv-checker", "seconds": 4.0,
                                              "size": 512}})"));
  EXPECT_THROW((void)parse_export_options(R"({"turntable": {"seconds": 31}})", parent), HttpError);
  EXPECT_THROW((void)parse_export_options(R"({"seed": 1})", parent), HttpError);
  EXPECT_THROW((void)parse_export_options(R"({"turntable": {}, "faces": 9})", parent), HttpError);
}

TEST(Options, AreTheSameMeshWhereFilesAloneDiffer) {
  Options a;
  Options b;
  b.formats = {"stl"};
  b.save.texture = TextureFormat::webp;
  b.save.unlit = true;
  EXPECT_TRUE(same_mesh(a, b));
  b.finish.texture_size = 512;
  EXPECT_FALSE(same_mesh(a, b));
  a.raw_mesh = true;
  EXPECT_FALSE(same_mesh(a, Options()));
}

TEST(Options, OldNamesAreReadWhereTheyAreStoredAndExplainedToClients) {
  const std::string stored = R"({"background": "automatic"})";
  EXPECT_EQ(parse_generate_options(stored, Spelling::any).background, std::vector{Background::automatic});
  const std::string video = R"({"turntable": {"style": "uv_checker"}})";
  const Options parent;
  EXPECT_EQ(parse_export_options(video, parent, Spelling::any).values.video.style, RenderStyle::uv_checker);
  const auto hint_of = [](const auto& read) {
    try {
      read();
    } catch (const HttpError& error) {
      EXPECT_EQ(error.status(), 400);
      return error.hint();
    }
    return std::string("it was taken");
  };
  EXPECT_EQ(hint_of([&] { (void)parse_generate_options(stored); }), "automatic is called auto now");
  EXPECT_EQ(hint_of([&] { (void)parse_export_options(video, parent); }), "uv_checker is called uv-checker now");
  EXPECT_EQ(hint_of([] { (void)parse_background("automatic"); }), "automatic is called auto now");
  EXPECT_EQ(parse_background("alpha"), Background::alpha);
}

TEST(Names, AreCutAtACharacter) {
  const std::string cleaned = clean_name(std::string(199, 'a') + "\xc3\xa4\xff");
  EXPECT_EQ(cleaned, std::string(199, 'a'));
  EXPECT_EQ(clean_name("\xff<b>\n"), "\xef\xbf\xbd<b>");
}

TEST(GenerateOptions, NothingDamagedGetsThroughOrCrashes) {
  const std::string good =
      R"({"name": "a \u00e9", "seed": 7, "preset": "app", "structure": {"steps": 3, "interval": [0.1, 0.9]}, "faces": null,
          "simplify": 0.5, "formats": ["glb", "stl"], "size_mm": 12.5, "texture_format": "webp"})";
  constexpr std::string_view kPieces[] = {"1e999",   "-1",       "null", "[[[[", "{}", "\"", "99999999999999999999",
                                          "\\u0000", "\xc3\x28", ","};
  std::mt19937 random(4);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = good;
    for (unsigned changes = 1 + random() % 3; changes > 0 && !text.empty(); --changes) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, 1 + random() % 8); break;
        case 2: text.insert(at, text.substr(random() % text.size(), random() % 20)); break;
        default: text.insert(at, kPieces[random() % std::size(kPieces)]);
      }
    }
    try {
      const Options options = parse_generate_options(text);
      const std::string written = text_of(to_json(options, JobKind::image));
      EXPECT_EQ(text_of(to_json(parse_generate_options(written), JobKind::image)), written) << text;
      ++accepted;
    } catch (const HttpError& error) {
      EXPECT_EQ(error.status(), 400) << text;
    }
  }
  EXPECT_GT(accepted, 100);
}

std::string refusal_of(const std::string& text) {
  try {
    (void)parse_generate_options(text);
  } catch (const HttpError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.what();
  }
  return "accepted";
}

TEST(GenerateOptions, NothingMayStandBehindTheObject) {
  for (const char* text : {"{} {}", "{}x", "{}\n[1]", "{} null", "{}\x01", "{}}"}) {
    EXPECT_NE(refusal_of(text), "accepted") << text;
  }
  EXPECT_EQ(refusal_of(" \r\n{}\t\n"), "accepted");
  EXPECT_NE(refusal_of(R"({"seed": 1, "seed": 2})").find("twice"), std::string::npos);
}

TEST(GenerateOptions, RefusalsAreShortAndClean) {
  const std::string hostile = R"({"\u202e\u001b[31m)" + std::string(50'000, 'k') + "\": 1}";
  const std::string refusal = refusal_of(hostile);
  EXPECT_LT(refusal.size(), 200U);
  EXPECT_EQ(refusal.find('\x1b'), std::string::npos);
  EXPECT_EQ(refusal.find("\xe2\x80\xae"), std::string::npos);
  std::string objects = "{\"x\": [{}";
  for (int i = 0; i < 20'000; ++i) objects += ",{}";
  EXPECT_NE(refusal_of(objects + "]}").find("values"), std::string::npos);
}

TEST(CleanName, LeavesOutWhatIsNotSeenOrTurnsTextAround) {
  EXPECT_EQ(clean_name("a\x7f\x01\xc2\x85z"), "az");  // controls, those of Latin-1 included
  EXPECT_EQ(clean_name("gpj.\xe2\x80\xae"
                       "exe\xe2\x81\xa6\xe2\x80\x8f"),
            "gpj.exe");                                                   // right-to-left override, isolate, mark
  EXPECT_EQ(clean_name("a\xe2\x80\x8b\xef\xbb\xbf\xe2\x80\xa8z"), "az");  // zero width, byte order mark, line separator
  EXPECT_EQ(clean_name("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8d\xb5 \xd7\xa9\xd7\x9c"),
            "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8d\xb5 \xd7\xa9\xd7\x9c");
  EXPECT_EQ(clean_name("a\xff"
                       "b"),
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace espalier::server
