// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

// general says whether directories of the file system can be looked at and made by calls: "Only General-purpose NFS
// file systems support this operation".
func (f *fileSystem) general() bool { return f.Type == TypeStandard && f.Protocol == "NFS" }

// findGeneral finds the file system and the absolute path that a call is about.
func (s *Service) findGeneral(call *rpc.Call, param string) (*fileSystem, string, error) {
	f, err := s.find(call)
	if err != nil {
		return nil, "", err
	}
	if !f.general() {
		// Assumed: the reference does not give the code.
		return nil, "", rpc.Forbidden("OperationDenied.FileSystemNotSupported",
			"The operation is not supported by the specified file system.")
	}
	name := call.Params.String(param)
	if !strings.HasPrefix(name, "/") || path.Clean(name) != strings.TrimSuffix(name, "/") && name != "/" {
		return nil, "", invalidPath()
	}
	return f, path.Clean(name), nil
}

// Assumed: the reference does not give the codes of the two errors of paths.

func invalidPath() error {
	return rpc.BadRequest("InvalidPath", "The specified path is invalid.")
}

func pathNotFound() error {
	return rpc.NotFound("InvalidPath.NotFound", "The specified path does not exist.")
}

// createDir makes a directory. One that is there is a success, and stays as it is. Assumed: one whose parent does not
// exist is an error without Recursion.
func (s *Service) createDir(call *rpc.Call) (any, error) {
	f, name, err := s.findGeneral(call, "RootDirectory")
	if err != nil {
		return nil, err
	}
	mode, err := strconv.ParseUint(call.Params.String("Permission"), 8, 32)
	if err != nil || mode > 0o777 {
		return nil, rpc.BadRequest("InvalidPermission", "The specified permission is invalid.")
	}
	content := tree.NewMachine(f.Dir)
	if found, err := content.Resolve(name); err == nil {
		return nil, checkDirectory(found)
	}
	_, err = content.Resolve(path.Dir(name))
	if errors.Is(err, fs.ErrNotExist) && !call.Params.Bool("Recursion") {
		return nil, pathNotFound()
	}
	dir, err := content.Make(name)
	if err != nil {
		return nil, invalidPath()
	}
	if os.Geteuid() == 0 { // nobody else may give files away
		uid, gid := call.Params.Int("OwnerUserId", 0), call.Params.Int("OwnerGroupId", 0)
		if err := os.Lchown(dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	return nil, os.Chmod(dir, fs.FileMode(mode))
}

func checkDirectory(file string) error {
	info, err := os.Lstat(file)
	if err == nil && !info.IsDir() {
		return invalidPath()
	}
	return err
}

type propertiesAnswer struct {
	Entry entryView `json:"Entry"`
}

// entryView describes a file or a directory. What is only for a file is left out for a directory.
type entryView struct {
	Type                    string `json:"Type"`
	Name                    string `json:"Name"`
	Inode                   string `json:"Inode"`
	HasInfrequentAccessFile *bool  `json:"HasInfrequentAccessFile,omitempty"`
	Size                    *int64 `json:"Size,omitempty"`
	MTime                   string `json:"MTime,omitempty"`
	StorageType             string `json:"StorageType,omitempty"`
}

func (s *Service) getProperties(call *rpc.Call) (any, error) {
	f, name, err := s.findGeneral(call, "Path")
	if err != nil {
		return nil, err
	}
	file, err := tree.NewMachine(f.Dir).Resolve(name)
	if err != nil {
		return nil, pathNotFound()
	}
	info, err := os.Lstat(file)
	if err != nil {
		return nil, pathNotFound()
	}
	view := entryView{Name: filepath.Base(name), Type: "Directory"}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		view.Inode = strconv.FormatUint(stat.Ino, 10)
	}
	if info.IsDir() {
		view.HasInfrequentAccessFile = new(bool)
	} else {
		size := info.Size()
		view.Type, view.Size, view.StorageType = "File", &size, "standard"
		view.MTime = info.ModTime().UTC().Format(time.RFC3339)
	}
	return propertiesAnswer{Entry: view}, nil
}
