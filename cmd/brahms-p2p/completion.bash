# Completion of brahms-p2p for bash (3.2 or later), which asks the program itself. It needs no package beside bash.
_brahms_p2p() {
	local cur=${COMP_WORDS[COMP_CWORD]} line
	local words=("${COMP_WORDS[@]:0:COMP_CWORD}")
	words[0]=${words[0]/#\~/$HOME}
	[[ $cur == -* ]] && words+=("$cur")
	COMPREPLY=()
	while IFS= read -r line; do
		line=${line%%:*} # what follows is the description
		[[ -n $line && $line == "$cur"* ]] && COMPREPLY+=("$line")
	done < <("${words[@]}" --generate-shell-completion 2>/dev/null)
}
complete -o bashdefault -o default -F _brahms_p2p brahms-p2p
