// Espalier: images or words in, 3D assets out. The whole public C++ interface; nothing here needs CUDA or another library.
//
//   espalier::Pipeline pipeline({.checkpoint = "models/sprout"});
//   espalier::Asset asset = pipeline.generate({.images = {"chair.png"}});
//   asset.save("chair.glb");
//
// Every function may throw espalier::Error. A Pipeline does one job at a time; use one per thread.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "espalier/choices.h"
#include "espalier/error.h"
#include "espalier/export.h"
#include "espalier/image.h"
#include "espalier/stages.h"

namespace espalier {

[[nodiscard]] ESPALIER_API std::string version();  // "0.1.0"

// ---- Options of a pipeline

enum class Precision {
  automatic,  // half on a GPU; full on the CPU
  full,       // float32 everywhere
  half,       // networks' torsos in float16 on a GPU; bfloat16 products on processors that have them
  int8,       // as half, with the matrices of transformer blocks in 8 bits, expanded for each product: half the memory
  fp8,        // as half, with large products of transformer blocks in float8; GPUs of compute capability 8.9 and newer
};
enum class MemoryTier {
  automatic,  // by the memory that is free now
  high,       // all weights stay on the device
  medium,     // the weights of one stage at a time
  low,        // the weights of one network at a time; the finest decoding steps run in tiles
};

struct PipelineOptions {
  std::filesystem::path checkpoint;  // a folder with pipeline.json
  std::string device = "auto";       // auto, cpu, cuda or cuda:N
  Precision precision = Precision::automatic;
  MemoryTier tier = MemoryTier::automatic;
  // Bytes of device memory for weights and work: the tier is chosen by it, stages beyond are refused; 0: what is free.
  std::uint64_t memory_limit = 0;
  std::filesystem::path image_encoder{};  // DINOv2 weights (.pth, .safetensors); empty: looked for beside the checkpoint
  // Of other repositories that pipeline.json refers to: OWNER/REPO as it is spelt there -> a folder (find_model in
  // espalier/models.h gives them). Those that are not named are looked for beside the checkpoint: as OWNER/REPO folders and as
  // snapshots of a hub's cache.
  std::map<std::string, std::filesystem::path> repositories{};
  // CLIP weights (.safetensors, .bin) of a text checkpoint; empty: looked for in its ckpts, then as the repository that
  // pipeline.json names.
  std::filesystem::path text_encoder{};
};

// ---- What to generate. Ranges of all values: docs/options.md

// Unset values are the preset's. The last four spend fewer evaluations on a sample by using velocities of earlier steps again.
struct SamplerRequest {
  std::optional<int> steps{};        // sampling steps
  std::optional<double> guidance{};  // guidance strength (cfg_strength)
  std::optional<double> rescale_t{};
  std::optional<std::array<double, 2>> interval{};  // guidance interval (cfg_interval)
  std::optional<Solver> solver{};                   // euler
  std::optional<int> reuse{};        // 1: the flow is evaluated in every step; N: in every Nth, and extrapolated in the others
  std::optional<int> reuse_order{};  // 1: degree of the polynomials; 0: the last velocity
  std::optional<int> guidance_reuse{};  // 1: the negative condition is evaluated in every guided step; N: in every Nth
};
// Where the settings of the samplers come from that a request leaves unset.
enum class SamplerPreset {
  checkpoint,  // pipeline.json of the checkpoint
  app,         // app_structure_settings() and app_latent_settings(), then as checkpoint
  fast,        // fast_structure_settings() and fast_latent_settings(), then as checkpoint
};
enum class Background {
  automatic,  // use alpha if there is any, else the network if one is named, else as plain
  alpha,      // use the alpha channel; an image without one is refused
  none,       // take the image as it is
  plain,      // remove a plain background without a network; alpha is dropped
  network,    // let the network remove the background; alpha is dropped
};

// The weights of a network that removes backgrounds, under the file names of rembg: "isnet" (isnet-general-use.onnx), "u2net",
// "u2netp", or "auto", the first of these three that is there. Folders are searched in their order. Empty when none has it.
// Throws invalid_argument for another name.
[[nodiscard]] ESPALIER_API std::filesystem::path find_background_network(const std::string& name,
                                                                         const std::vector<std::filesystem::path>& folders);

// From what the networks decode to an asset that people use: interior faces, small pieces and holes gone, few faces, texture
// coordinates, and a texture that shows what the Gaussians (or the radiance field) show.
// Images beside the texture of a finished mesh.
struct TextureMaps {
  bool normal = false;     // normals of the decoded surface in tangent space, so that fewer faces look as detailed
  bool occlusion = false;  // ambient occlusion: how much of an even sky each place sees
  [[nodiscard]] bool any() const { return normal || occlusion; }
};

struct FinishRequest {
  bool clean = true;  // interior faces, small pieces and duplicates removed, holes filled
  bool fill_holes = true;
  double simplify = 0.95;               // share of the faces that goes, in [0, 1)
  std::optional<std::int64_t> faces{};  // at most so many faces instead
  bool texture = true;                  // unwrap and bake
  int texture_size = 1024;              // texels on a side
  BakeMode bake = BakeMode::best;
  bool bake_radiance_field = false;  // bake from the radiance field, which must be decoded, instead of the Gaussians
  int views = 64;                    // that are baked
  int view_size = 1024;              // pixels on a side of such a view
  // Blend the images that the asset was made of into the texels that they see. Where they were taken from is found by
  // comparing them with the object; an image that does not match it well enough is left out, with a notice.
  bool project_image = false;
  // For print: closed and free of faces that pass through each other, or invalid_argument. Where that takes it, or where one of
  // the next two is asked for, the solid's surface is made anew.
  bool watertight = false;
  double min_wall_mm = 0.0;   // with watertight: thinner walls become that thick; 0: as they are
  double flat_base_mm = 0.0;  // with watertight: so much of the bottom is cut off, so that it stands on a plane
  // What these two are measured on is the finished object as it is written: its largest dimension, as SaveOptions::size_mm, or,
  // where it is given, its height, as SaveOptions::height.
  double size_mm = 100.0;
  double height_mm = 0.0;  // 0: size_mm counts
  TextureMaps maps{};      // with a texture; which formats hold them: Asset::left_out_of
  // With a texture: so much of the light that its colours contain is divided out of them, 0 (nothing) to 1 (all that a light of
  // second order from outside explains). An estimate: docs/meshes.md says what it is worth.
  double delight = 0.0;
};

// How the mesh is extracted from what the decoder predicts of the voxels. The rules differ where there is no voxel.
enum class SurfaceRule {
  solid,      // the voxels are the shell of a solid: no walls inside, closed, gaps of the shell bridged smoothly
  reference,  // TRELLIS's rule, vertex for vertex: what no voxel covers is outside
};

struct Request {
  std::vector<InputImage> images{};  // files, or images in memory (espalier/image.h); several: views of one object
  std::uint32_t seed = 42;
  SamplerRequest structure{};  // first stage: sparse structure
  SamplerRequest latent{};     // second stage: structured latent
  SamplerPreset preset = SamplerPreset::checkpoint;
  MultiImageMode multi_image = MultiImageMode::stochastic;
  std::vector<Background> background{Background::automatic};  // one for all images, or one for each
  // Weights of U^2-Net or IS-Net (.onnx, as rembg has them) for removing backgrounds; empty: no network.
  std::filesystem::path background_network{};
  bool mesh = true;  // what to decode; generate() may be asked for nothing, only the latent
  bool gaussians = true;
  bool radiance_field = false;
  SurfaceRule surface = SurfaceRule::solid;
  std::optional<FinishRequest> finish{};  // of the mesh; a texture needs the Gaussians, which are then decoded too
  // Of a text checkpoint, instead of images: what to make, UTF-8, at most 1 MiB. What is beyond the 77 tokens that the encoder
  // takes is cut off, with a notice.
  std::string prompt{};
  std::string
      negative_prompt{};  // what guidance leads away from; empty: the encoding of an empty text, as the reference has it
  // Of vary(): the texture is baked onto the mesh that was given, which keeps its faces, place and size; keep_uvs: and its
  // texture coordinates. Needs `finish` with a texture, of which only what concerns the texture matters.
  bool keep_mesh = false, keep_uvs = false;
};

// The part of an asset that Pipeline::edit() makes anew.
struct EditRequest {
  // "box:x0,y0,z0,x1,y1,z1" or "sphere:x,y,z,r" in the asset's own coordinates (Z up, the unit cube centred at the origin): the
  // voxels whose centres lie in it. Or "voxels:FILE": x, y and z of a voxel on each line of a text file, counted from 0.
  std::string region;
  int rim = 2;       // voxels around the region, whose details may change so that the parts join, but not their structure
  int resample = 1;  // times that every sampling step is made; more lets the new part follow the old one closer
  bool appearance_only = false;  // the structure stays, details alone are sampled
};

// The settings of the public web app: 12 steps, guidance 7.5 and 3.0.
[[nodiscard]] ESPALIER_API SamplerRequest app_structure_settings();
[[nodiscard]] ESPALIER_API SamplerRequest app_latent_settings();
// Few evaluations, for a checkpoint whose samplers make so many steps by themselves: docs/performance.md says what they cost.
// Images that take turns, and steps that are repeated (EditRequest::resample), leave no velocity to reuse: there the preset has
// fewer steps alone, one for each image at least.
[[nodiscard]] ESPALIER_API SamplerRequest fast_structure_settings(int steps);
[[nodiscard]] ESPALIER_API SamplerRequest fast_latent_settings(int steps);

// ---- Progress

struct Progress {
  Stage stage = Stage::encode_image;
  int step = 0, steps = 0;     // inside the stage
  double fraction = 0.0;       // of the whole job, 0 ... 1
  double seconds_left = -1.0;  // estimate; negative while unknown
};

class Asset;

// What the first stage expects the object to fill.
struct StructurePreview {
  int resolution = 0;                         // of the grid
  std::span<const std::int32_t> positions{};  // x, y, z of each occupied voxel; valid during the call
  int step = 0, steps = 0;                    // so far
};

// How a call is watched. Callbacks run on the thread that made the call. Default-constructed: silent and never cancelled.
struct Observer {
  std::function<void(const Progress&)> progress{};
  std::function<bool()> cancelled{};                  // true: stop soon with ErrorCode::cancelled
  std::function<void(const std::string&)> message{};  // one-line notices and warnings
  // What exists so far, as soon as it does: first with the Gaussians, then with the mesh, before finishing. The asset may be
  // kept.
  std::function<void(const Asset&)> partial{};
  // Before there is anything else: when the structure is known, and a few times while it is sampled, where its decoder is in
  // memory beside its flow and takes at most a tenth of that time. What is made is the same with it and without.
  std::function<void(const StructurePreview&)> structure{};
  // Fill in StageReport::process_bytes and, of finishing on the CPU, peak_bytes. For that the system's mark of the process's
  // memory (VmHWM on Linux, /proc/self/clear_refs) starts anew with every stage, which a program that watches it itself would
  // notice.
  bool measure_memory = false;
  // How much longer than planned stages take on this machine, as jobs before have shown (StageReport::seconds by
  // planned_seconds); 1 for those that are not named. Progress and remaining time follow it.
  std::map<Stage, double> pace{};
};

// ---- Results

struct StageReport {
  Stage stage = Stage::encode_image;
  double seconds = 0.0;
  std::uint64_t weight_bytes = 0;   // on the device during the stage
  std::uint64_t planned_bytes = 0;  // working memory planned before the stage; 0 where nothing is planned (finishing)
  // Working memory really used at the peak: of networks, what they took of the plan; of finishing, how far the free memory of
  // the GPU fell or, on the CPU and with Observer::measure_memory, how far the process grew.
  std::uint64_t peak_bytes = 0;
  // Resident host memory of the process at the peak; 0 without Observer::measure_memory, or where the system has no figure.
  std::uint64_t process_bytes = 0;
  double planned_seconds = 0.0;  // that progress planned for it, by sizes alone; 0 where nothing was planned
  int assets = 1;                // that were sampled together: seconds and bytes are those of all of them
};
// Runs the work and reports what it cost, memory included: as if with Observer::measure_memory.
[[nodiscard]] ESPALIER_API StageReport measured(Stage stage, const std::function<void()>& work);

// Mesh statistics. Vertices at one position count as one everywhere but in `vertices`, which are those that are stored: seams
// of texture coordinates double them.
struct MeshSummary {
  std::int64_t faces = 0, vertices = 0, components = 0;
  std::int64_t boundary_edges = 0, holes = 0, non_manifold_edges = 0;
  std::int64_t degenerate_faces = 0, duplicate_faces = 0;
  bool watertight = false;              // every edge has exactly two faces
  bool consistent_winding = false;      // and they run through it in opposite directions
  double area = 0.0, volume = 0.0;      // volume 0 when not watertight
  std::array<double, 3> low{}, high{};  // box
  std::int64_t handles = -1;            // of all pieces together (their genus); -1 where the surface is not closed
  // What takes a search through the whole mesh; negative where none was made: for decoded meshes before they are finished.
  double hidden_share = -1.0;        // of the area that no ray from outside reaches
  std::int64_t crossing_faces = -1;  // faces that pass through another one
  double crease_length = -1.0;       // of edges folded by more than 90 degrees, in diagonals of the box
  std::int64_t positions = 0;        // that faces use; the same in every format
  // For print, where a search was made; negative otherwise. Thickness that 1 % of the area stays below, in the mesh's units,
  // and the share of the area that looks down by more than 45 degrees and does not stand on the floor (Z is up).
  double thin_wall = -1.0, overhang_share = -1.0;
};
// Where an image of the asset was taken from, as far as its outline and colours show.
struct ImageMatch {
  double overlap = 0.0;           // intersection over union of the outlines of image and mesh
  double colour_error = 0.0;      // of both, root mean square of what a gain and an offset per channel do not explain
  double yaw = 0.0, pitch = 0.0;  // degrees; yaw 0 looks along -Y, and grows towards +X
  double distance = 0.0;          // of the camera from the centre of the unit cube
  double texels = 0.0;            // share of the texels inside of charts that took colour from it
  bool used = false;              // false: it does not match well enough
};
// Statistics of Gaussians.
struct GaussianSummary {
  std::int64_t gaussians = 0;
  int harmonics_degree = 0;  // 0: colours do not follow the view
  std::int64_t unseen = 0;   // with an opacity below 1/255, which nothing draws
  double mean_opacity = 0.0;
  double median_scale = 0.0;            // of the largest standard deviation of each
  std::array<double, 3> low{}, high{};  // box of the centres
};
// What finishing made of a mesh.
struct FinishReport {
  MeshSummary before, after;
  std::int64_t hidden_faces = 0, small_faces = 0, filled_holes = 0;  // removed, removed, filled
  std::int64_t enclosed_faces = 0;                                   // removed: of pieces that lie inside others
  int charts = 0;                                                    // of the texture; 0 without one
  double mean_stretch = 0.0;                                         // 1 where nothing is distorted
  double texture_use = 0.0;                                          // share of the texels inside of charts
  double texels_seen = 0.0;                                          // share of those that a view saw
  std::vector<ImageMatch> images;                                    // of project_image, in the order of the request
};

// Lossy textures have the quality 92 (jpeg) or 90 (webp).
enum class TextureFormat {
  png,
  jpeg,
  webp,
  automatic,  // jpeg in GLB and glTF, webp in those that are compressed; png in other files and for textures of load_mesh
};
enum class MeshCompression {
  none,
  meshopt,  // EXT_meshopt_compression: decodes fastest
  draco,    // KHR_draco_mesh_compression: smallest; positions in 14 bits, whatever `quantise` says
};
// The point of an asset that lies at the origin of its file, the same in every format.
enum class Origin {
  automatic,  // bottom; source for a mesh that is not finished, and for what was read from a file of another program
  source,     // TRELLIS' own: the centre of the unit cube that was sampled
  centre,     // the middle of the bounding box
  bottom,     // the middle of the lower side of the bounding box: the asset stands on the floor
};
enum class UpAxis {
  automatic,  // as the format has it (docs/formats.md)
  y,
  z,
};
struct SaveOptions {
  double size_mm = 100.0;  // largest dimension of an STL or 3MF; with a height, that counts
  TextureFormat texture = TextureFormat::automatic;
  bool unlit = false;          // GLB and glTF: colours as they are, without light
  int spz_version = 4;         // 4, or 3 or 2 for older readers
  std::string name = "asset";  // encode(): of the files, without ending; save() takes it from the path
  // GLB and glTF of finished meshes: positions and texture coordinates in 16 bits, normals in 8 (KHR_mesh_quantization).
  bool quantise = true;
  MeshCompression compress = MeshCompression::none;  // GLB and glTF; only programs that know the extension read them
  // GLB and glTF: so many levels of detail, each with a quarter of the faces of the one before (MSFT_lod), for one
  // texture. Programs that do not know the extension show the first.
  int lods = 1;
  // Files with a mesh are at most so large, those that come with it included; 0: as large as they are. Texture quality, texture
  // size and faces go down together until they are, at most to 128 pixels and 1/200 of the faces. Where that is not enough,
  // invalid_argument is thrown.
  std::uint64_t max_bytes = 0;
  std::function<void(const std::string&)> message{};  // one line on what max_bytes did to a file
  Origin origin = Origin::automatic;
  std::optional<double> height{};  // metres, of the bounding box; unset: the side of the unit cube is 1 metre
  UpAxis up = UpAxis::automatic;   // another than a format's own only where ResultFormat::free_up says so
  std::string title{};  // of nodes, meshes, materials and textures inside; empty: the name of the file. Cleaned for that
};
// A text as the name of a node, mesh or material that other programs take: valid UTF-8, at most 60 bytes, without control
// characters and without those that have a meaning in paths of scenes (/ \ : . " [ ] and more become _); "asset" if nothing is
// left.
[[nodiscard]] ESPALIER_API std::string title_for_programs(const std::string& text);
// A file in memory.
struct NamedBytes {
  std::string name;
  std::vector<std::byte> bytes;
};

// Arrays of an asset. They live as long as it or a copy of it; empty where there is nothing.
struct MeshArrays {
  std::span<const float> positions;     // 3 each
  std::span<const float> normals;       // 3 each; of meshes with a texture
  std::span<const float> uvs;           // 2 each; (0, 0) is the outer corner of the texture's first pixel, v goes down
  std::span<const float> colours;       // 3 each, sRGB 0 ... 1
  std::span<const std::int32_t> faces;  // 3 each, counter-clockwise from outside
};
struct TextureArray {
  int width = 0, height = 0, channels = 0;  // 3 channels are RGB
  std::span<const std::uint8_t> pixels;     // sRGB, rows from top to bottom, channels interleaved
};
struct GaussianArrays {
  std::span<const float> positions;  // 3 each
  std::span<const float> dc;         // 3 each: harmonics of degree 0; colour = 0.5 + 0.28209479 dc
  std::span<const float> scales;     // 3 each: standard deviations
  std::span<const float> rotations;  // 4 each: unit quaternions, w x y z
  std::span<const float> opacities;  // 1 each, 0 ... 1
  // Harmonics of degree 1 to 3: 3, 8 or 15 coefficients each, degree by degree, three colours innermost; empty without.
  std::span<const float> harmonics;
};

// A finished asset on the host. Copies share the data.
class ESPALIER_API Asset {
 public:
  Asset();
  ~Asset();
  Asset(const Asset&);
  Asset(Asset&&) noexcept;
  Asset& operator=(const Asset&);
  Asset& operator=(Asset&&) noexcept;

  // Triangles in TRELLIS' own system: Z up, unit cube centred at the origin. Empty spans where not decoded.
  [[nodiscard]] std::span<const float> vertices() const;      // 3 each
  [[nodiscard]] std::span<const std::int32_t> faces() const;  // 3 each, counter-clockwise from outside
  [[nodiscard]] std::span<const float> colours() const;       // 3 each, sRGB 0 ... 1
  [[nodiscard]] std::int64_t gaussian_count() const;
  [[nodiscard]] GaussianArrays gaussians() const;
  [[nodiscard]] std::span<const std::int32_t> voxels() const;  // x, y, z of each active voxel
  [[nodiscard]] int resolution() const;                        // voxels on a side of the grid; 0 without voxels
  [[nodiscard]] std::span<const float> latent() const;         // channels of each active voxel
  [[nodiscard]] const std::vector<StageReport>& stages() const;
  [[nodiscard]] const std::vector<std::string>& notices() const;           // what the user should know
  [[nodiscard]] const std::map<std::string, std::string>& record() const;  // seed, settings, versions, hashes

  // What finishing made; empty where it was not asked for. The mesh above is the decoded one.
  [[nodiscard]] std::optional<FinishReport> finish_report() const;
  // The asset without what finishing made, so that save() writes the mesh as decoded.
  [[nodiscard]] Asset as_decoded() const;
  // The mesh that save() writes: finished if there is one, else as decoded.
  [[nodiscard]] MeshArrays mesh() const;
  [[nodiscard]] TextureArray texture() const;  // of the finished mesh
  [[nodiscard]] MeshSummary mesh_summary() const;
  [[nodiscard]] GaussianSummary gaussian_summary() const;

  // By extension: .glb, .gltf, .obj, .stl, .3mf, .usdz and .fbx hold the mesh (finished if it was), .obj.zip and .gltf.zip an
  // .obj or .gltf with all that it names in one file; .ply, .spz, .splat, .compressed.ply (as PlayCanvas packs it) and
  // .splats.glb (KHR_gaussian_splatting) the Gaussians. A .ply holds the mesh when the name ends in .mesh.ply or when there are
  // no Gaussians, a .glb holds the Gaussians when there is no mesh. .gltf and a textured .obj come with further files beside
  // them. Written atomically, what others name last.
  void save(const std::filesystem::path& path, const SaveOptions& options = {}) const;
  // The same in memory. `format` is an ending of save() without its dot, "glb" or "obj.zip", or "preview", "latent" or "asset":
  // what the functions below write. The file that names the others comes last. Throws invalid_argument for another format and
  // for what the asset does not hold.
  [[nodiscard]] std::vector<NamedBytes> encode(const std::string& format, const SaveOptions& options = {}) const;
  // What a file of that format, as for encode(), cannot hold of this asset and will lack; one line each.
  [[nodiscard]] std::vector<std::string> left_out_of(const std::string& format) const;
  // Voxels and latent, for Pipeline::decode.
  void save_latent(const std::filesystem::path& path) const;
  // Everything that was decoded, and what finishing made of it, for load_asset: whoever wants another texture or fewer faces
  // need not generate again.
  void save_asset(const std::filesystem::path& path) const;
  // Four views side by side, of the mesh if there is one, else of the Gaussians.
  void save_preview(const std::filesystem::path& path) const;

  struct Data;
  explicit Asset(std::shared_ptr<const Data> data);
  [[nodiscard]] const Data& data() const;

 private:
  std::shared_ptr<const Data> data_;
};

// What save_asset wrote. Throws format for files that are no such thing.
[[nodiscard]] ESPALIER_API Asset load_asset(const std::filesystem::path& path);
// True for a file that save_asset wrote; false for a latent of save_latent. Throws format for anything else.
[[nodiscard]] ESPALIER_API bool is_asset_file(const std::filesystem::path& path);
// How many voxels such a file holds, from its header alone: what decoding it takes grows with them. 0 without voxels. Throws
// format for anything else.
[[nodiscard]] ESPALIER_API std::int64_t saved_voxels(const std::filesystem::path& path);

// The asset with its mesh finished as asked; what was finished before is made anew. Needs no checkpoint. device as in
// PipelineOptions.
[[nodiscard]] ESPALIER_API Asset finish(const Asset& asset, const FinishRequest& request, const std::string& device = "auto",
                                        const Observer& observer = {});

// How files of other programs are read.
struct LoadOptions {
  // Refuse (unsupported) what would otherwise be read with something left out, which the asset's notices report.
  bool strict = false;
};

// The mesh in a .glb, .gltf, .obj, .stl, .ply or .3mf file, or in a zip that holds one, with its materials and textures if it
// has any; Z up, neither scaled nor moved. What is left out, such as a texture that is not there, is in the asset's notices.
// Throws format for damaged files and those beyond 20 million vertices or 40 million faces, unsupported for what is refused by
// name.
[[nodiscard]] ESPALIER_API Asset load_mesh(const std::filesystem::path& path, const LoadOptions& options = {});
// The Gaussians in a .ply (plain or PlayCanvas' compressed one), .spz, .sog (or its meta.json), .splat, .ksplat or .glb file,
// with all their spherical harmonics. Gaussians with values that are not finite are left out, with a notice. Throws as
// load_mesh does.
[[nodiscard]] ESPALIER_API Asset load_gaussians(const std::filesystem::path& path, const LoadOptions& options = {});
enum class FileContent { asset, latent, gaussians, mesh };
// By its content, or by the ending of a name that has no mark of its own. Whether the file can be read is not said.
[[nodiscard]] ESPALIER_API FileContent content_of(const std::filesystem::path& path);
// Whatever a file holds that can be shown: an asset, Gaussians or a mesh. Throws invalid_argument for a latent, which a
// Pipeline has to decode.
[[nodiscard]] ESPALIER_API Asset load_any(const std::filesystem::path& path, const LoadOptions& options = {});

// Report on the mesh in a file that load_mesh takes; needs none of the textures that it names. `notices` receives what was left
// out, unless it is null.
[[nodiscard]] ESPALIER_API MeshSummary summarise_mesh_file(const std::filesystem::path& path, const LoadOptions& options = {},
                                                           std::vector<std::string>* notices = nullptr);

// ---- Rendered views of an asset
//
// The mesh in views is the one that save() writes, under a soft light that stands with the camera. Gaussians and radiance
// fields are drawn on the device, meshes on the processor. Views depend on neither the number of cores nor the time. What
// does not fill the unit cube, as meshes and splats of other programs may not, is moved and scaled into it for the view.

enum class RenderStyle {
  automatic,  // textured; colour without a texture; clay without colours; splats, then radiance_field without a mesh
  textured,
  colour,      // at the vertices
  clay,        // one matt material, for shapes
  normals,     // red to the right, green upwards, blue towards the viewer
  wireframe,   // edges of faces on clay
  uv_checker,  // 32 x 32 squares in the space of the texture
  splats,
  radiance_field,
};

// Where a camera stands that looks at the centre, with Z up: at distance * (sin yaw cos pitch, cos yaw cos pitch, sin pitch).
// Degrees. The front of an asset, -Y, is at a yaw of 180.
struct Viewpoint {
  double yaw = 164.0, pitch = 20.0;
};
struct ViewRequest {
  RenderStyle style = RenderStyle::automatic;
  Viewpoint from{};
  double fov = 40.0;  // degrees, across the view
  // From camera to centre; unset: that at which the asset is as large as from 2.0 at 40 degrees.
  std::optional<double> distance{};
  int size = 1024;                                    // pixels on a side
  std::optional<std::array<double, 3>> background{};  // sRGB, 0 ... 1; unset: transparent, and black in an MP4
  bool unlit = false;                                 // textured and colour: as they are, without light
};
// Once around the asset at one height, so that the end goes on as the beginning.
struct TurntableRequest {
  ViewRequest look{.size = 512};  // from where it begins
  double seconds = 4.0;           // for once around
  int frames_per_second = 30;     // of the video
};
// Rows of views around the asset, one for each style that there is something to show in, under its name.
struct SheetRequest {
  int views = 4;                                                           // in each row
  ViewRequest look{.size = 384, .background = std::array{1.0, 1.0, 1.0}};  // a style: that row alone. Unset background: white
};

// A PNG. Throws invalid_argument, naming the value, for values out of range and for a style that the asset has nothing for.
ESPALIER_API void render_view(const Asset& asset, const std::filesystem::path& png, const ViewRequest& request,
                              const std::string& device = "auto", const Observer& observer = {});
// Several views side by side; 1 to 64.
ESPALIER_API void render_views(const Asset& asset, const std::filesystem::path& png, std::span<const Viewpoint> from,
                               const ViewRequest& request, const std::string& device = "auto", const Observer& observer = {});
// By its ending, .mp4 (H.264, for which the program ffmpeg must be there; unsupported is thrown otherwise) or .webp (which
// moves for ever, with transparency). The observer hears of every frame.
ESPALIER_API void render_turntable(const Asset& asset, const std::filesystem::path& video, const TurntableRequest& request,
                                   const std::string& device = "auto", const Observer& observer = {});
ESPALIER_API void render_contact_sheet(const Asset& asset, const std::filesystem::path& png, const SheetRequest& request = {},
                                       const std::string& device = "auto", const Observer& observer = {});
// A row of views for each of several assets, under its name, to choose from.
struct NamedAsset {
  std::string name;
  Asset asset;
};
ESPALIER_API void render_comparison(std::span<const NamedAsset> assets, const std::filesystem::path& png,
                                    const SheetRequest& request = {}, const std::string& device = "auto",
                                    const Observer& observer = {});
// Whether render_turntable can write an .mp4 here.
[[nodiscard]] ESPALIER_API bool can_write_mp4();

// ---- The pipeline

// Assets that are sampled at once, at most.
inline constexpr int kMostTogether = 32;

class ESPALIER_API Pipeline {
 public:
  // Checks the checkpoint, chooses device, precision and memory tier; loads weights as the tier says.
  explicit Pipeline(const PipelineOptions& options);
  ~Pipeline();
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;

  [[nodiscard]] Asset generate(const Request& request, const Observer& observer = {});
  // Decodes a latent saved before; nothing is sampled. Of the request, only what to decode and how to
  // finish matters.
  [[nodiscard]] Asset decode(const std::filesystem::path& latent, const Request& request, const Observer& observer = {});
  // Other details for a shape that exists: the mesh of `shape` (of load_mesh) becomes voxels, on which only the second stage
  // samples, for the images or the prompt of the request. Throws invalid_argument for a shape without faces or volume.
  [[nodiscard]] Asset vary(const Asset& shape, const Request& request, const Observer& observer = {});
  // Several assets, each as generate() makes it and its observer watches it. At most `together` (and kMostTogether) of them, as
  // many as memory takes and those whose samplers are set alike, are sampled at once: a step then takes the weights once for
  // all. Of these, StageReport::assets says how many; the structure is shown when it is known, not before. One that is
  // cancelled leaves them. `ended` receives each as soon as it exists or has failed; what it throws ends all. The same items
  // give the same assets; docs/performance.md says how much an asset may differ from one that is sampled alone.
  struct BatchItem {
    Request request{};
    Observer observer{};
  };
  struct BatchResult {
    std::optional<Asset> asset{};
    std::exception_ptr failure{};  // what generate() would have thrown; then there is no asset
  };
  void generate_batch(std::span<const BatchItem> items, int together,
                      const std::function<void(std::size_t item, const BatchResult& result)>& ended);
  // Several assets of one request, one for each seed; they share the encoded images or prompt, and the weights. `made` receives
  // each as soon as it exists. At most `together` are sampled at once, as of generate_batch(). With `structure`, all have the
  // voxels of that asset, and details alone are sampled; throws invalid_argument where it has none, or such of another grid.
  void generate_each(const Request& request, std::span<const std::uint32_t> seeds,
                     const std::function<void(std::uint32_t seed, const Asset& asset)>& made, const Observer& observer = {},
                     const Asset* structure = nullptr, int together = 1);
  // A part of an asset (of generate() or load_asset) made anew, for the images or the prompt of the request. Voxels and latents
  // outside the region and its rim stay as they are, bit for bit, and so does what is decoded of them: Gaussians, and vertices
  // of the mesh more than a voxel away, by the asset's own SurfaceRule. The mesh is decoded again, so that takes the device and
  // the precision that made the asset; elsewhere a notice counts the vertices that differ. Finishing works on the whole mesh.
  // Throws invalid_argument for an asset of another checkpoint, for one without the latent of its structure (of an earlier
  // version, or of vary(), unless appearance_only), and for a region outside of it.
  [[nodiscard]] Asset edit(const Asset& asset, const EditRequest& part, const Request& request, const Observer& observer = {});
  // Throws what edit() would for a region that cannot be read; quick, and needs no checkpoint.
  static void check_region(const std::string& region);
  // Whether the checkpoint makes assets from a prompt; else from images.
  [[nodiscard]] bool takes_text() const;
  // Throws what generate() would for a prompt that is empty, too long or no UTF-8; quick, and needs no checkpoint.
  static void check_prompt(const std::string& prompt);
  // Throws what generate() would if the file is missing or no image that can be decoded; quick, and needs no checkpoint. Of the
  // observer, here and in preprocess(), only `cancelled` matters.
  static void check_image(const InputImage& image, const Observer& observer = {});
  // The foreground that generate() would condition on, 518 x 518 pixels: RGBA, which the networks see in front of black; RGB
  // with Background::none.
  struct Foreground {
    std::vector<std::byte> png;
    std::vector<std::string> notices;  // how it was made, and warnings
  };
  struct ForegroundRequest {
    Background background = Background::automatic;
    std::filesystem::path network{};  // as Request::background_network
    std::string device = "auto";      // of the network
  };
  [[nodiscard]] static Foreground preprocess(const InputImage& image, const ForegroundRequest& request,
                                             const Observer& observer = {});
  [[nodiscard]] static Foreground preprocess(const InputImage& image, Background background);
  // The same into a file; returns the notices.
  static std::vector<std::string> preprocess(const InputImage& image, const ForegroundRequest& request,
                                             const std::filesystem::path& png_out, const Observer& observer = {});
  static std::vector<std::string> preprocess(const InputImage& image, Background background,
                                             const std::filesystem::path& png_out);

  [[nodiscard]] std::string device() const;     // "cpu (16 cores)", "cuda:0 (NVIDIA H100 80GB HBM3)"
  [[nodiscard]] std::string precision() const;  // "float32", "float16"
  [[nodiscard]] std::string tier() const;       // "high", "medium", "low"
  // True when the checkpoint says that its weights were never trained.
  [[nodiscard]] bool untrained() const;
  // The first-stage and second-stage defaults of the checkpoint, as (steps, guidance).
  [[nodiscard]] std::pair<int, double> structure_defaults() const;
  [[nodiscard]] std::pair<int, double> latent_defaults() const;

  struct Impl;
  explicit Pipeline(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
