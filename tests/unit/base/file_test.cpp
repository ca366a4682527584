#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>

#include "base/file_hashes.h"
#include "base/hash.h"
#include "base/printable.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::expect_error;
using test::TemporaryFolder;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(File, WhatIsWrittenIsReadAndMapped) {
  const TemporaryFolder folder;
  const auto content = bytes_of(std::string("one\0two", 7));
  write_file(folder / "a.bin", content);
  EXPECT_EQ(read_file(folder / "a.bin", 7), content);
  const MappedFile mapped(folder / "a.bin");
  ASSERT_EQ(mapped.size(), 7U);
  EXPECT_EQ(std::memcmp(mapped.bytes().data(), content.data(), 7), 0);
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(File, PiecesBecomeOneFileOnlyWhenCommitted) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("old"));
  {
    FileWriter file(folder / "a.bin");
    file.write(bytes_of("new, but given up"));
  }
  EXPECT_EQ(read_file(folder / "a.bin", 99), bytes_of("old"));
  EXPECT_EQ(entries(folder.path()), 1U);
  FileWriter file(folder / "a.bin");
  file.write(bytes_of("one "));
  file.write({});
  file.write(bytes_of("two"));
  EXPECT_EQ(read_file(folder / "a.bin", 99), bytes_of("old"));
  file.commit();
  EXPECT_EQ(read_file(folder / "a.bin", 99), bytes_of("one two"));
  EXPECT_EQ(entries(folder.path()), 1U);
  expect_error(ErrorCode::not_found, {"none", "does not exist"}, [&] { FileWriter(folder / "none" / "a.bin"); });
  expect_error(ErrorCode::invalid_argument, {"names no file"}, [&] { FileWriter(folder.path() / ""); });
}

TEST(File, AMappingMoves) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("abc"));
  MappedFile first(folder / "a.bin");
  MappedFile second;
  second = std::move(first);
  EXPECT_EQ(second.size(), 3U);
  EXPECT_EQ(first.size(), 0U);  // NOLINT(bugprone-use-after-move): the moved-from state is part of the contract
}

TEST(File, AnEmptyFileIsNoError) {
  const TemporaryFolder folder;
  write_file(folder / "empty", {});
  EXPECT_TRUE(read_file(folder / "empty", 0).empty());
  EXPECT_EQ(MappedFile(folder / "empty").size(), 0U);
}

TEST(File, MissingFilesAndFoldersAreNamed) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"missing.bin", "No such file"}, [&] { (void)read_file(folder / "missing.bin", 10); });
  expect_error(ErrorCode::not_found, {"missing.bin"}, [&] { MappedFile mapped(folder / "missing.bin"); });
  expect_error(ErrorCode::not_found, {"is a folder"}, [&] { MappedFile mapped(folder.path()); });
  expect_error(ErrorCode::not_found, {"nowhere", "does not exist", "create it"},
               [&] { write_file(folder / "nowhere/a.bin", {}); });
  expect_error(ErrorCode::invalid_argument, {"names no file"}, [&] { write_file(folder / "b/", {}); });
}

TEST(File, APipeIsRefusedWithoutWaiting) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_error(ErrorCode::not_found, {"no regular file"}, [&] { (void)read_file(folder / "pipe", 10); });
}

TEST(File, TooLargeAFileIsRefused) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("12345"));
  expect_error(ErrorCode::format, {"5 bytes", "at most 4"}, [&] { (void)read_file(folder / "a.bin", 4); });
}

TEST(File, WritingReplacesAndFollowsLinks) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("old"));
  fs::create_symlink("a.bin", folder / "link.bin");
  write_file(folder / "link.bin", bytes_of("new"));
  EXPECT_TRUE(fs::is_symlink(folder / "link.bin"));
  EXPECT_EQ(read_file(folder / "a.bin", 100), bytes_of("new"));
  EXPECT_EQ(entries(folder.path()), 2U);
}

TEST(File, LinksThatLeadToNothingAreWrittenThrough) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "there");
  fs::create_symlink("there/second", folder / "first");
  fs::create_symlink(folder / "there" / "file.bin", folder / "there" / "second");
  write_file(folder / "first", bytes_of("new"));
  EXPECT_TRUE(fs::is_symlink(folder / "first"));
  EXPECT_TRUE(fs::is_symlink(folder / "there" / "second"));
  EXPECT_EQ(read_file(folder / "there" / "file.bin", 100), bytes_of("new"));

  fs::create_symlink("nowhere/file.bin", folder / "lost");
  expect_error(ErrorCode::not_found, {"nowhere", "create it first"}, [&] { write_file(folder / "lost", {}); });
  EXPECT_TRUE(fs::is_symlink(folder / "lost"));
}

TEST(File, LinksThatLeadRoundAreRefused) {
  const TemporaryFolder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  fs::create_symlink("self", folder / "self");
  for (const char* name : {"a", "self"}) {
    expect_error(ErrorCode::invalid_argument, {name, "circle"}, [&] { write_file(folder / name, bytes_of("new")); });
    EXPECT_TRUE(fs::is_symlink(folder / name));
  }
  EXPECT_EQ(entries(folder.path()), 3U);
}

TEST(File, AnExistingFileKeepsItsMode) {
  const TemporaryFolder folder;
  for (const mode_t mode : {0600U, 0640U, 0666U, 0755U}) {
    write_file(folder / "a.bin", bytes_of("old"));
    ASSERT_EQ(::chmod((folder / "a.bin").c_str(), mode), 0);
    write_file(folder / "a.bin", bytes_of("new"));
    struct stat status {};
    ASSERT_EQ(::stat((folder / "a.bin").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, mode);
    EXPECT_EQ(read_file(folder / "a.bin", 100), bytes_of("new"));
  }
}

TEST(File, AReadOnlyFileIsRefused) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("old"));
  ASSERT_EQ(::chmod((folder / "a.bin").c_str(), 0444), 0);
  expect_error(ErrorCode::io, {"a.bin", "read-only"}, [&] { write_file(folder / "a.bin", bytes_of("new")); });
  EXPECT_EQ(read_file(folder / "a.bin", 100), bytes_of("old"));
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(File, AllNamesOfAFileStayItsNames) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("a longer old text"));
  fs::create_hard_link(folder / "a.bin", folder / "b.bin");
  write_file(folder / "b.bin", bytes_of("new"));
  EXPECT_TRUE(fs::equivalent(folder / "a.bin", folder / "b.bin"));
  EXPECT_EQ(read_file(folder / "a.bin", 100), bytes_of("new"));
  EXPECT_EQ(entries(folder.path()), 2U);
}

// Without its guard the process would end here with SIGBUS.
TEST(File, AMappedFileThatBecomesShorterIsAnError) {
  const TemporaryFolder folder;
  const std::vector<std::byte> large(1 << 20, std::byte{7});
  write_file(folder / "a.bin", large);
  write_file(folder / "b.bin", large);
  const MappedFile other(folder / "b.bin");
  MappedFile file(folder / "a.bin");
  EXPECT_NO_THROW(file.check_intact());
  fs::resize_file(folder / "a.bin", 5000);
  EXPECT_EQ(file.bytes()[4000], std::byte{7});
  EXPECT_EQ(file.bytes()[file.size() - 1], std::byte{0});
  EXPECT_EQ(file.bytes()[file.size() / 2], std::byte{0});
  const MappedFile moved = std::move(file);
  expect_error(ErrorCode::io, {"a.bin", "shorter"}, [&] { moved.check_intact(); });
  EXPECT_EQ(other.bytes()[other.size() - 1], std::byte{7});
  EXPECT_NO_THROW(other.check_intact());
}

TEST(FileDeathTest, OtherBusErrorsEndTheProcessAsEver) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("x"));
  const MappedFile file(folder / "a.bin");
#ifdef __SANITIZE_ADDRESS__
  EXPECT_DEATH(std::raise(SIGBUS), "AddressSanitizer");  // its own handler is the earlier one, and reports before it ends
#else
  EXPECT_EXIT(std::raise(SIGBUS), ::testing::KilledBySignal(SIGBUS), "");
#endif
}

TEST(File, ManyMappingsAfterOneAnother) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("x"));
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(MappedFile(folder / "a.bin").size(), 1U);
}

TEST(File, DevicesAndFoldersAreNeverReplaced) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::invalid_argument, {"/dev/null", "no regular file"}, [] { write_file("/dev/null", {}); });
  expect_error(ErrorCode::invalid_argument, {"a folder"}, [&] { write_file(folder.path(), {}); });
}

TEST(File, AReadOnlyFolderIsRefused) {
  if (::geteuid() == 0) GTEST_SKIP() << "the superuser may write everywhere";
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  expect_error(ErrorCode::io, {"Permission denied", "another place"}, [&] { write_file(folder / "a.bin", {}); });
  fs::permissions(folder.path(), fs::perms::owner_all);
}

// A limit on the size of files stands in for a full disk: both make write() fail in the middle.
TEST(File, AFailedWriteLeavesTheOldFileAndNoRubbish) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", bytes_of("old"));
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 16, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::vector<std::byte> large(1 << 20);
  expect_error(ErrorCode::io, {"a.bin", "File too large"}, [&] { write_file(folder / "a.bin", large); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_file(folder / "a.bin", 100), bytes_of("old"));
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(Hash, KnownDigests) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(bytes_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TemporaryFolder folder;
  write_file(folder / "abc", bytes_of("abc"));
  EXPECT_EQ(sha256_of_file(folder / "abc"), sha256(bytes_of("abc")));
  Sha256 pieces;
  for (const char* piece : {"a", "", "bc"}) pieces.update(bytes_of(piece));
  EXPECT_EQ(pieces.finish(), sha256(bytes_of("abc")));
}

TEST(Printable, ForeignTextStaysOneLine) {
  EXPECT_EQ(printable("a.weight"), "a.weight");
  EXPECT_EQ(printable("\x1b[31m\nred\xff"), "?[31m?red?");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
}

TEST(FileHashes, AreThoseOfTheFiles) {
  const TemporaryFolder folder;
  std::vector<fs::path> files;
  for (int i = 0; i < 7; ++i) {
    files.push_back(folder / str("file", i));
    // Of no bytes, and longer than a piece.
    write_file(files.back(),
               std::vector<std::byte>(i == 6 ? (std::size_t{8} << 20U) + 3 : static_cast<std::size_t>(i), std::byte{7}));
  }
  FileHashes hashes;
  hashes.start(files);
  for (int again = 0; again < 2; ++again) {
    const auto& digests = hashes.get();
    ASSERT_EQ(digests.size(), files.size());
    for (const fs::path& file : files) EXPECT_EQ(digests.at(file), sha256_of_file(file));
  }
}

TEST(FileHashes, SayWhichFileIsMissing) {
  const TemporaryFolder folder;
  write_file(folder / "there", bytes_of("x"));
  FileHashes hashes;
  hashes.start({folder / "there", folder / "gone"});
  for (int again = 0; again < 2; ++again) expect_error(ErrorCode::not_found, {"gone"}, [&] { (void)hashes.get(); });
  FileHashes unused;  // nobody asks for them
  unused.start({folder / "there"});
}

}  // namespace
}  // namespace espalier
