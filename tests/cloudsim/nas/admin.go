// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"net/http"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/admin"
)

// Directory is which directory of which mount target a request below /nas/directories is about.
type Directory struct {
	Server string `json:"server"`
	Path   string `json:"path"`
}

// Admin serves, as JSON, what is not part of NAS but lets a program or a shell look into the service and change it:
//
//	GET    /nas/filesystems  FileSystems
//	POST   /nas/filesystems  AddFileSystem, a FileSystemConfig, answered by FileSystem
//	DELETE /nas/filesystems  RemoveFileSystem, "<id>"
//	POST   /nas/directories  Mount, {"server": "…", "path": "/…"}, answered by {"dir": "/…"}
//	DELETE /nas/directories  RemoveDirectory, {"server": "…", "path": "/…"}
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nas/filesystems", func(w http.ResponseWriter, _ *http.Request) { admin.Write(w, s.FileSystems()) })
	mux.Handle("POST /nas/filesystems", admin.Answer(func(config FileSystemConfig) (FileSystem, error) {
		id, err := s.AddFileSystem(config)
		if err != nil {
			return FileSystem{}, err
		}
		return s.FileSystem(id)
	}))
	mux.Handle("DELETE /nas/filesystems", admin.Apply(s.RemoveFileSystem))
	mux.Handle("POST /nas/directories", admin.Answer(func(d Directory) (admin.Directory, error) {
		dir, err := s.Mount(d.Server, d.Path)
		return admin.Directory{Dir: dir}, err
	}))
	mux.Handle("DELETE /nas/directories", admin.Apply(func(d Directory) error { return s.RemoveDirectory(d.Server, d.Path) }))
	return mux
}
