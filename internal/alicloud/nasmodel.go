// SPDX-License-Identifier: Apache-2.0

package alicloud

// Requests and answers of NAS. A parameter that may be absent is left out where it is
// empty. Of the answers there is what the plugin reads.
// Source: NAS API reference of the API.

// DescribeFileSystemsRequest says which file systems to list.
type DescribeFileSystemsRequest struct {
	// FileSystemID is that of one file system; empty means all.
	FileSystemID string `json:"FileSystemId,omitempty"`
	// PageNumber counts from 1.
	PageNumber int `json:"PageNumber,omitempty"`
	// PageSize is 1 to 100, by default 10.
	PageSize int `json:"PageSize,omitempty"`
}

// DescribeFileSystemsResponseBody is a page of file systems.
type DescribeFileSystemsResponseBody struct {
	RequestID   string `json:"RequestId"`
	TotalCount  int    `json:"TotalCount"`
	FileSystems struct {
		FileSystem []NASFileSystem `json:"FileSystem"`
	} `json:"FileSystems"`
}

// NASFileSystem is a file system.
type NASFileSystem struct {
	FileSystemID string `json:"FileSystemId"`
	// FileSystemType is standard (General-purpose NAS), extreme, cpfs or cpfsse.
	FileSystemType string `json:"FileSystemType"`
	// ProtocolType is NFS, SMB or cpfs.
	ProtocolType string `json:"ProtocolType"`
	RegionID     string `json:"RegionId"`
	ZoneID       string `json:"ZoneId"`
	// Status is Running where the file system can be used.
	Status string `json:"Status"`
	// CreateTime is as NAS writes it: Created reads it.
	CreateTime string `json:"CreateTime"`
}

// DescribeMountTargetsRequest says of which file system to list the mount targets.
type DescribeMountTargetsRequest struct {
	FileSystemID string `json:"FileSystemId"`
	// MountTargetDomain is that of one mount target; empty means all.
	MountTargetDomain string `json:"MountTargetDomain,omitempty"`
	// PageNumber counts from 1.
	PageNumber int `json:"PageNumber,omitempty"`
	// PageSize is 1 to 100, by default 10.
	PageSize int `json:"PageSize,omitempty"`
}

// DescribeMountTargetsResponseBody is a page of mount targets.
type DescribeMountTargetsResponseBody struct {
	RequestID    string `json:"RequestId"`
	TotalCount   int    `json:"TotalCount"`
	MountTargets struct {
		MountTarget []NASMountTarget `json:"MountTarget"`
	} `json:"MountTargets"`
}

// NASMountTarget is where a file system is mounted from.
type NASMountTarget struct {
	// MountTargetDomain is the server of the volumes, such as 109c04-w.cn-hangzhou.nas.aliyuncs.com.
	MountTargetDomain string `json:"MountTargetDomain"`
	// Status is Active where it can be mounted.
	Status string `json:"Status"`
	VpcID  string `json:"VpcId"`
	VswID  string `json:"VswId"`
}

// CreateDirRequest says which directory to make.
type CreateDirRequest struct {
	FileSystemID string `json:"FileSystemId"`
	// RootDirectory is the path from the root of the file system. It begins with a slash
	// and has letters, digits, underscores, hyphens and dots.
	RootDirectory string `json:"RootDirectory"`
	OwnerUserID   uint32 `json:"OwnerUserId"`
	OwnerGroupID  uint32 `json:"OwnerGroupId"`
	// Permission is the mode in octal, such as 0755.
	Permission string `json:"Permission"`
	// Recursion makes the directories above it too.
	Recursion bool `json:"Recursion"`
}

// CreateDirResponseBody is the answer of CreateDir.
type CreateDirResponseBody struct {
	RequestID string `json:"RequestId"`
}

// GetDirectoryOrFilePropertiesRequest says what to look at.
type GetDirectoryOrFilePropertiesRequest struct {
	FileSystemID string `json:"FileSystemId"`
	// Path is that from the root of the file system. It begins with a slash.
	Path string `json:"Path"`
}

// GetDirectoryOrFilePropertiesResponseBody is what there is.
type GetDirectoryOrFilePropertiesResponseBody struct {
	RequestID string   `json:"RequestId"`
	Entry     NASEntry `json:"Entry"`
}

// NASEntry is a file or a directory.
type NASEntry struct {
	Name string `json:"Name"`
	// Type is File or Directory.
	Type  string `json:"Type"`
	Inode string `json:"Inode"`
	// Size is that of a file, in bytes.
	Size int64 `json:"Size"`
}
