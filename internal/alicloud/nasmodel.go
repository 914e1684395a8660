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
