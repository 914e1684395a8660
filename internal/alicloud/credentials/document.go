// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// document is what a credentials file says. At most one of key, nodeRole and
// oidc is set; none means that the file configures other things only.
type document struct {
	// key is an access key; its Source is not set.
	key Credentials
	// nodeRole is the name of the RAM role that the node has, whose credentials are meant.
	nodeRole string
	// oidc says that the variables name a role to be assumed by RRSA.
	oidc bool
	// assume is a role to assume with the above.
	assume assumption
	// profile is the section of an INI file that was read, "" for other formats.
	profile string
	// variables are those of a dotenv file; nil for other formats.
	variables map[string]string
}

// configured reports whether the document says whose credentials to use.
func (d document) configured() bool {
	return d.key.AccessKeyID != "" || d.nodeRole != "" || d.oidc
}

// assumption is a RAM role to assume, from whatever credentials there are.
type assumption struct {
	roleARN, sessionName, externalID string
}

// maxFileSize is far above any credentials file; what is larger was named by mistake.
const maxFileSize = 1 << 20

// parseDocument reads a credentials file in whichever of the formats it has:
// dotenv, INI with profiles, or the JSON of an ACK addon token. profile ("" means
// "default") matters to INI alone. Errors never quote the content.
func parseDocument(content []byte, profile string) (document, error) {
	content = trimmedText(content)
	switch {
	case len(content) == 0:
		return document{}, errors.New("the file is empty")
	case !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0:
		return document{}, errors.New("the file is not UTF-8 text")
	case content[0] == '{':
		key, err := parseAddonToken(content)
		return document{key: key}, err
	}
	kind, err := detect(string(content))
	if err != nil {
		return document{}, err
	}
	if kind == formatINI {
		return parseINI(content, profile)
	}
	return parseDotenv(content)
}

// trimmedText returns the text without the space around it and without the byte
// order mark that Windows editors leave before it.
func trimmedText(content []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")))
}

type format int

const (
	formatDotenv format = iota
	formatINI
)

// detect tells dotenv from INI by the first line that decides: a section or one
// of the INI keys, or else a variable.
func detect(content string) (format, error) {
	number := 0
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			return formatINI, nil
		}
		separator := strings.IndexAny(line, "=:")
		if separator < 0 {
			return 0, fmt.Errorf("line %d is neither KEY=VALUE, nor a [section], nor a comment", number)
		}
		name := strings.TrimSpace(strings.TrimPrefix(line[:separator], "export "))
		if isINIKey(name) {
			return formatINI, nil
		}
		return formatDotenv, nil
	}
	return 0, errors.New("the file has only comments")
}
