# A front to the CMake presets; what the commands do stands in scripts/.
.PHONY: help deps package check-package demo studio test quality bench lint asan tsan fuzz coverage cuda gpu-check format clean
help:       ## this list
	@sed -n 's/^\([a-z-]*\): *## /  make \1\t/p' Makefile | expand -t 20
deps:       ## install the Debian packages of packages.txt; the commands below do so too, and print it first
	@scripts/setup
package:    ## a .deb and a .tar.gz in out/packages, with CUDA too where nvcc is
	@scripts/package
check-package: ## install those into empty Debian roots and run them there (needs root and the network)
	@scripts/check-package
demo:       ## an image from examples/ becomes out/demo.glb, .ply and .png, and words become out/words.glb and .png
	@scripts/demo
studio:     ## builds the server with its page, serves at http://127.0.0.1:7860 and opens a browser where there is a display
	@scripts/studio
test:       ## build and run all tests, then again with sanitizers
	@scripts/test
quality:    ## generate from 64 held-out images and score the results against the true objects
	@scripts/quality
bench:      ## time each stage against the figures of docs/performance.md
	@scripts/bench
lint:       ## formatting, clang-tidy, include rules, sizes
	@scripts/lint
asan:       ## the CPU tests with AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/sanitize asan
tsan:       ## the CPU tests with ThreadSanitizer
	@scripts/sanitize tsan
fuzz:       ## readers of foreign bytes under libFuzzer, a minute each
	@scripts/fuzz
coverage:   ## which lines the CPU tests reach
	@scripts/coverage
cuda:       ## build with CUDA for every supported GPU
	@scripts/build cuda
gpu-check:  ## everything there is to check on a machine with a GPU
	@scripts/gpu-check
format:     ## clang-format on all sources
	@scripts/format
clean:      ## remove build/ and out/
	@rm -rf build out
