// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"slices"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// pageAnswer is what answers that are lists have in common.
type pageAnswer struct {
	PageNumber int64 `json:"PageNumber"`
	PageSize   int64 `json:"PageSize"`
	TotalCount int   `json:"TotalCount"`
}

// paginate returns the items of the page that is asked for.
func paginate[T any](p rpc.Params, all []T) ([]T, pageAnswer, error) {
	const defaultSize, largest = 10, 100
	number, size := p.Int("PageNumber", 1), p.Int("PageSize", defaultSize)
	if number < 1 || size < 1 || size > largest {
		return nil, pageAnswer{}, rpc.BadRequest("InvalidPageSize", "The specified PageSize or PageNumber is invalid.")
	}
	answer := pageAnswer{PageNumber: number, PageSize: size, TotalCount: len(all)}
	all = all[min(int64(len(all)), (number-1)*size):]
	return all[:min(int64(len(all)), size)], answer, nil
}

type mountTargetView struct {
	MountTargetDomain string `json:"MountTargetDomain"`
	Status            string `json:"Status"`
	NetworkType       string `json:"NetworkType"`
	AccessGroup       string `json:"AccessGroup"`
}

type mountTargetsView struct {
	MountTarget []mountTargetView `json:"MountTarget"`
}

func (f *fileSystem) mountTargets() mountTargetsView {
	view := mountTargetsView{MountTarget: []mountTargetView{}}
	for _, domain := range f.MountTargets {
		view.MountTarget = append(view.MountTarget, mountTargetView{
			MountTargetDomain: domain, Status: "Active", NetworkType: "Vpc", AccessGroup: "DEFAULT_VPC_GROUP_NAME",
		})
	}
	return view
}

type fileSystemView struct {
	FileSystemID   string           `json:"FileSystemId"`
	FileSystemType string           `json:"FileSystemType"`
	ProtocolType   string           `json:"ProtocolType"`
	StorageType    string           `json:"StorageType"`
	RegionID       string           `json:"RegionId"`
	CreateTime     string           `json:"CreateTime"`
	Status         string           `json:"Status"`
	MountTargets   mountTargetsView `json:"MountTargets"`
}

type fileSystemsAnswer struct {
	pageAnswer
	FileSystems struct {
		FileSystem []fileSystemView `json:"FileSystem"`
	} `json:"FileSystems"`
}

// describeFileSystems lists the file systems of all types unless one is asked for. An id that there is not is an error.
func (s *Service) describeFileSystems(call *rpc.Call) (any, error) {
	all := slices.DeleteFunc(s.list(call), func(f *fileSystem) bool {
		return !matches(call.Params, paramFileSystemID, f.ID) || !matches(call.Params, "FileSystemType", f.Type)
	})
	some, paging, err := paginate(call.Params, all)
	if err != nil {
		return nil, err
	}
	if call.Params.String(paramFileSystemID) != "" && len(all) == 0 {
		_, err := s.find(call)
		return nil, err
	}
	answer := fileSystemsAnswer{pageAnswer: paging}
	answer.FileSystems.FileSystem = []fileSystemView{}
	for _, f := range some {
		answer.FileSystems.FileSystem = append(answer.FileSystems.FileSystem, fileSystemView{
			FileSystemID: f.ID, FileSystemType: f.Type, ProtocolType: f.Protocol, StorageType: "Performance",
			RegionID: f.Region, CreateTime: s.timeForm.write(f.created), Status: "Running", MountTargets: f.mountTargets(),
		})
	}
	return answer, nil
}

// matches says whether a filter was not given, or is for the value.
func matches(p rpc.Params, name, value string) bool {
	return p.String(name) == "" || p.String(name) == value
}

type mountTargetsAnswer struct {
	pageAnswer
	MountTargets mountTargetsView `json:"MountTargets"`
}

func (s *Service) describeMountTargets(call *rpc.Call) (any, error) {
	f, err := s.find(call)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(f.mountTargets().MountTarget, func(m mountTargetView) bool {
		return !matches(call.Params, "MountTargetDomain", m.MountTargetDomain)
	})
	some, paging, err := paginate(call.Params, all)
	if err != nil {
		return nil, err
	}
	return mountTargetsAnswer{pageAnswer: paging, MountTargets: mountTargetsView{MountTarget: some}}, nil
}
