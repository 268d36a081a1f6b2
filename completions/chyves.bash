_chyves_completion() {
    local IFS=$'\n'
    local response

    # bash ends words at = and : as well, chyves does not.
    local line=${COMP_LINE:0:COMP_POINT} words whole
    IFS=$' \t' read -ra words <<< "$line"
    [[ $line == *[[:blank:]] ]] && words+=('')
    whole=${words[-1]}
    local before=${whole%"${whole##*[=:]}"}

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _CHYVES_COMPLETE=bash_complete $1)

    for completion in $response; do
        IFS=',' read type value <<< "$completion"

        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("${value#"$before"}")
            [[ $value == *= ]] && compopt -o nospace
        fi
    done

    return 0
}

_chyves_completion_setup() {
    complete -o nosort -F _chyves_completion chyves
}

_chyves_completion_setup;
