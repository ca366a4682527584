// Environment, references, hashes, addresses and archives: the parts of pull that need no server.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "hub/caches.h"
#include "hub/digest.h"
#include "hub/find.h"
#include "hub/http.h"
#include "hub/manifest.h"
#include "hub/partial_file.h"
#include "hub/paths.h"
#include "hub/references.h"
#include "hub/tar.h"
#include "support/data.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier::hub {
namespace {

namespace fs = std::filesystem;
using test::data_path;
using test::expect_error;
using test::TemporaryFolder;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Paths, FollowTheVariablesInTheirOrder) {
  Variables v{{"HOME", "/home/me"}};
  EXPECT_EQ(paths_of(v).hub, "/home/me/.cache/huggingface/hub");
  EXPECT_EQ(paths_of(v).torch, "/home/me/.cache/torch/hub/checkpoints");
  EXPECT_EQ(paths_of(v).rembg, "/home/me/.u2net");
  EXPECT_EQ(paths_of(v).endpoint, "https://huggingface.co");
  v["XDG_CACHE_HOME"] = "/x";
  v["XDG_DATA_HOME"] = "/d";
  EXPECT_EQ(paths_of(v).hub, "/x/huggingface/hub");
  EXPECT_EQ(paths_of(v).torch, "/x/torch/hub/checkpoints");
  EXPECT_EQ(paths_of(v).rembg, "/d/.u2net");
  v["HF_HOME"] = "~/hf";
  EXPECT_EQ(paths_of(v).hub, "/home/me/hf/hub");
  v["HUGGINGFACE_HUB_CACHE"] = "$HF_HOME/old";
  EXPECT_EQ(paths_of(v).hub, "/home/me/hf/old");
  v["SCRATCH"] = "/scratch";
  v["HF_HUB_CACHE"] = "${SCRATCH}/new$UNKNOWN";
  EXPECT_EQ(paths_of(v).hub, "/scratch/new$UNKNOWN");
  v["TORCH_HOME"] = "/t";
  v["U2NET_HOME"] = "~/u";
  EXPECT_EQ(paths_of(v).torch, "/t/hub/checkpoints");
  EXPECT_EQ(paths_of(v).rembg, "/home/me/u");
  EXPECT_TRUE(paths_of({}).hub.empty());
}

TEST(Paths, ReadSwitchesTokensAndNumbers) {
  EXPECT_FALSE(paths_of({{"HF_HUB_OFFLINE", "0"}}).offline);
  EXPECT_TRUE(paths_of({{"HF_HUB_OFFLINE", "on"}}).offline);
  EXPECT_TRUE(paths_of({{"TRANSFORMERS_OFFLINE", "1"}}).offline);
  EXPECT_EQ(paths_of({{"HF_TOKEN", " hf_x\n"}, {"HUGGING_FACE_HUB_TOKEN", "hf_y"}}).token, "hf_x");
  EXPECT_EQ(paths_of({{"HF_TOKEN", "hf_x\r\nHost: evil"}}).token, "");
  const TemporaryFolder folder;
  write(folder / "token", "hf_file\n");
  EXPECT_EQ(paths_of({{"HF_HOME", folder.path().string()}}).token, "hf_file");
  EXPECT_EQ(paths_of({{"HF_ENDPOINT", "https://hf-mirror.com/"}}).endpoint, "https://hf-mirror.com");
  EXPECT_EQ(paths_of({{"HF_HUB_DOWNLOAD_TIMEOUT", "30"}}).stall_seconds, 30.0);
  for (const char* bad : {"ftp://x", "huggingface.co", "https://a b"})
    expect_error(ErrorCode::invalid_argument, {"HF_ENDPOINT"}, [&] { (void)paths_of({{"HF_ENDPOINT", bad}}); });
  for (const char* bad : {"0", "-1", "x", "nan", "1e9"})
    expect_error(ErrorCode::invalid_argument, {"HF_HUB_ETAG_TIMEOUT"}, [&] { (void)paths_of({{"HF_HUB_ETAG_TIMEOUT", bad}}); });
}

TEST(Digests, AreThoseOfTheHub) {
  DigestStream git(DigestKind::git_sha1, 6);
  git.update(bytes_of("hello\n"));
  EXPECT_EQ(git.finish(), "ce013625030ba8dba906f756967f9e9ca394464a");  // git hash-object
  DigestStream sha(DigestKind::sha256, 3);
  sha.update(bytes_of("a"));
  sha.update(bytes_of("bc"));
  EXPECT_EQ(sha.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of_etag("W/\"CE013625030BA8DBA906F756967F9E9CA394464A\"").kind, DigestKind::git_sha1);
  EXPECT_FALSE(digest_of_etag("\"b6cbe2bf00000000000000000000000f-146\"").known());  // of an upload in parts
  EXPECT_FALSE(digest_of_etag("../../etc/passwd").known());
}

TEST(References, OfThePublishedPipeline) {
  const auto found = references_in(data_path("published/image-large"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->own.size(), 6U);
  EXPECT_TRUE(found->foreign.empty());
  EXPECT_EQ(found->image_encoder, "dinov2_vitl14_reg");
}

TEST(References, OfAPipelineThatTakesNetworksOfOthers) {
  const References all = references_of("x", R"({"args": {"models": {"a": "JeffreyXiang/TRELLIS-image-large/ckpts/ss_dec",
      "b": "ckpts/flow"}, "text_cond_model": "openai/clip-vit-large-patch14"}})");
  EXPECT_EQ(all.own, std::vector<std::string>{"ckpts/flow"});
  ASSERT_EQ(all.foreign.size(), 1U);
  EXPECT_EQ(all.foreign[0].repository, "JeffreyXiang/TRELLIS-image-large");
  EXPECT_EQ(all.foreign[0].stem, "ckpts/ss_dec");
  EXPECT_EQ(all.repositories(),
            (std::vector<std::string>{"JeffreyXiang/TRELLIS-image-large", "openai/clip-vit-large-patch14"}));
}

TEST(References, RefuseWhatIsNoPipeline) {
  for (const char* bad : {"", "[]", "{}", R"({"args": 1})", R"({"args": {"models": []}})", R"({"args": {"models": {"a": 1}}})",
                          R"({"args": {"models": {"a": "/etc/passwd"}}})", R"({"args": {"models": {"a": "a/b/../../../c"}}})"})
    expect_error(ErrorCode::format, {"here"}, [&] { (void)references_of("here", bad); });
  std::string deep(100'000, '[');
  expect_error(ErrorCode::format, {"here"}, [&] { (void)references_of("here", deep); });
}

TEST(References, SafePaths) {
  for (const char* good : {"a", "ckpts/x.json", "a/b/c", ".gitattributes", "a..b"}) EXPECT_TRUE(is_safe_path(good)) << good;
  for (const char* bad : {"", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\nb"})
    EXPECT_FALSE(is_safe_path(bad)) << bad;
}

TEST(Addresses, HaveOrigins) {
  EXPECT_EQ(origin_of("HTTPS://Huggingface.co/a/b?c"), "https://huggingface.co:443");
  EXPECT_EQ(origin_of("http://127.0.0.1:81/x"), "http://127.0.0.1:81");
  EXPECT_EQ(origin_of("file:///etc/passwd"), "");
  EXPECT_NE(origin_of("https://huggingface.co.evil.org/"), origin_of("https://huggingface.co/"));
  EXPECT_EQ(origin_of("https://huggingface.co@evil.org/"), "https://evil.org:443");
  EXPECT_TRUE(is_loopback_address("http://127.1.2.3/x"));
  EXPECT_FALSE(is_loopback_address("http://127.evil.org/x"));
  EXPECT_EQ(resolve_address("https://a.b/c/d?e", "/f"), "https://a.b/f");
  EXPECT_EQ(resolve_address("https://a.b/c/d", "https://x.y/z"), "https://x.y/z");
  EXPECT_TRUE(is_absolute_address("//evil.org/x"));
  EXPECT_FALSE(is_absolute_address("/a/b"));
  EXPECT_EQ(escape("a b/ü%", true), "a%20b/%C3%BC%25");
  EXPECT_EQ(escape("refs/pr/1", false), "refs%2Fpr%2F1");
}

TEST(Tar, HeadersComeBack) {
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{8589934591}, std::uint64_t{8589934592}, std::uint64_t{1} << 45U}) {
    std::string block = tar_header("blobs/abc", size);
    ASSERT_EQ(block.size(), kTarBlock);
    const auto entry = parse_tar_header("x", std::span<const char, kTarBlock>(block.data(), kTarBlock));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->name, "blobs/abc");
    EXPECT_EQ(entry->bytes, size);
    block[3] ^= 1;
    expect_error(ErrorCode::format, {"bundle"},
                 [&] { (void)parse_tar_header("x", std::span<const char, kTarBlock>(block.data(), kTarBlock)); });
  }
  const std::string zeros = tar_end();
  EXPECT_FALSE(parse_tar_header("x", std::span<const char, kTarBlock>(zeros.data(), kTarBlock)));
}

TEST(Manifest, ComesBack) {
  BundledModel model{"a/b", {}};
  PlannedPart part;
  part.part.repository = "a/b";
  part.commit = std::string(40, 'c');
  part.files.push_back({{"x/y.bin", 7, ""}, sha256_digest(std::string(64, 'd'))});
  model.parts.push_back(part);
  const auto back = parse_manifest("here", manifest_text({model}));
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].parts[0].part.repository, "a/b");
  EXPECT_EQ(back[0].parts[0].commit, part.commit);
  EXPECT_EQ(back[0].parts[0].files[0].file.path, "x/y.bin");
  EXPECT_EQ(back[0].parts[0].files[0].digest, part.files[0].digest);
}

class Partial : public ::testing::Test {
 protected:
  [[nodiscard]] Placement placement() const {
    return {folder_ / "d/file", folder_ / "d/file.part", folder_ / "locks/file.lock"};
  }
  static Digest digest() {
    return sha256_digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }  // of abc
  TemporaryFolder folder_;
};

TEST_F(Partial, GoesOnWhereItStopped) {
  {
    const auto file = PartialFile::open(placement(), digest(), 3);
    file->hash_existing({});
    file->append(bytes_of("ab"));
  }
  const auto file = PartialFile::open(placement(), digest(), 3);
  EXPECT_EQ(file->size(), 2U);
  file->hash_existing({});
  file->append(bytes_of("c"));
  file->finish();
  EXPECT_EQ(read(folder_ / "d/file"), "abc");
  EXPECT_FALSE(fs::exists(folder_ / "d/file.part"));
}

TEST_F(Partial, IsLockedForOthers) {
  auto first = PartialFile::open(placement(), digest(), 3);
  EXPECT_EQ(PartialFile::open(placement(), digest(), 3), nullptr);
  first.reset();
  EXPECT_NE(PartialFile::open(placement(), digest(), 3), nullptr);
}

TEST_F(Partial, WrongBytesGetNoName) {
  auto file = PartialFile::open(placement(), digest(), 3);
  file->hash_existing({});
  file->append(bytes_of("abd"));
  expect_error(ErrorCode::format, {"hash"}, [&] { file->finish(); });
  EXPECT_FALSE(fs::exists(folder_ / "d/file"));
  expect_error(ErrorCode::format, {"more bytes"}, [&] { file->append(bytes_of("abcd")); });
  file->append(bytes_of("abc"));
  file->finish();
}

TEST_F(Partial, TakesWhatIsWholeAndNothingElse) {
  write(folder_ / "d/file", "abd");
  EXPECT_FALSE(PartialFile::open(placement(), digest(), 3)->already_whole());
  write(folder_ / "d/file", "abc");
  EXPECT_TRUE(PartialFile::open(placement(), digest(), 3)->already_whole());
}

TEST(Find, TitlesOfFolders) {
  EXPECT_EQ(model_title("/x/models--microsoft--TRELLIS-image-large/snapshots/25e0"), "TRELLIS-image-large");
  EXPECT_EQ(model_title("/x/models/sprout/"), "sprout");
  EXPECT_EQ(model_title("models/sprout"), "sprout");
}

TEST(Find, Amounts) {
  EXPECT_EQ(decimal_bytes(0), "0 B");
  EXPECT_EQ(decimal_bytes(999), "999 B");
  EXPECT_EQ(decimal_bytes(4516846652), "4.52 GB");
  EXPECT_EQ(decimal_bytes(119068016), "119 MB");
  EXPECT_EQ(decimal_bytes(17'500'000), "17.5 MB");
}

TEST(Find, SnapshotsInTheirOrder) {
  const TemporaryFolder folder;
  const fs::path base = folder / "models--a--b";
  for (const char* commit : {"1", "2", "3"}) write(base / "snapshots" / commit / "pipeline.json", "{}");
  fs::last_write_time(base / "snapshots/1", fs::file_time_type::clock::now());
  fs::last_write_time(base / "snapshots/2", fs::file_time_type::clock::now() - std::chrono::hours(1));
  fs::last_write_time(base / "snapshots/3", fs::file_time_type::clock::now() - std::chrono::hours(2));
  EXPECT_EQ(snapshots_of(folder.path(), "a/b", "").front(), base / "snapshots/1");
  write(base / "refs/main", "2");
  EXPECT_EQ(snapshots_of(folder.path(), "a/b", "").front(), base / "snapshots/2");
  EXPECT_EQ(snapshots_of(folder.path(), "a/b", "3").front(), base / "snapshots/3");
  write(base / "refs/main", "../../../..");
  EXPECT_EQ(snapshots_of(folder.path(), "a/b", "").front(), base / "snapshots/1");
  EXPECT_EQ(snapshots_of(folder.path(), "a/b", "../..").size(), 3U);
}

}  // namespace
}  // namespace espalier::hub
